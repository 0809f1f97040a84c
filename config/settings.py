"""Settings, read from top to bottom. Everything that differs between machines comes from the environment.

A fresh checkout runs with no environment at all: SQLite in `var/`, the ORM task broker and the sandbox
provider. `WAYBILL_ENV=production` switches the safe-guards on; see docs/operating.md for every name.
"""

import importlib.util
from logging import WARNING, LogRecord
from pathlib import Path

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config import environment as env
from config.peers import FORWARDED, X_FORWARDED_FOR

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = env.folder("WAYBILL_VAR", BASE_DIR / "var")

# ---- Which machine is this -------------------------------------------------------------------------------

PRODUCTION = env.choice("WAYBILL_ENV", "development", ("development", "production")) == "production"
DEBUG = env.flag("DEBUG", default=False)

DEVELOPMENT_SECRET = "development-only-secret-" + "not-for-any-real-data"
SECRET_KEY = env.secret("SECRET_KEY", DEVELOPMENT_SECRET, known=DEVELOPMENT_SECRET, strict=PRODUCTION)
# Encrypts provider credentials at rest. Separate, so that the session secret can be rotated alone.
CREDENTIALS_KEY = env.secret("CREDENTIALS_KEY", SECRET_KEY, known=DEVELOPMENT_SECRET, strict=PRODUCTION)
# Keys that it was before: the links in mails that were sent under them still work.
FORMER_CREDENTIALS_KEYS = env.former_secrets(
    "FORMER_CREDENTIALS_KEYS", known=DEVELOPMENT_SECRET, strict=PRODUCTION
)
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("DEBUG must be off when WAYBILL_ENV=production.")

HOST = env.host("HOST", "127.0.0.1")  # the interface `manage.py web` listens on
PORT = env.number("PORT", 8000, low=1, high=65534)
# The address providers reach us at. Their signatures cover it, so it must be what they were given.
PUBLIC_URL = env.public_url("PUBLIC_URL", f"http://127.0.0.1:{PORT}", strict=PRODUCTION)
# The domain of the short links in what we send; people know it, and carriers judge the text by it.
LINK_URL = env.public_url("LINK_URL", PUBLIC_URL, strict=False)
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", "" if PRODUCTION else "127.0.0.1,localhost,[::1]")
if PRODUCTION and not ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "ALLOWED_HOSTS: production needs the host names it answers to, comma separated, such as waybill.example.com."
    )
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL.startswith("https://") else []

# ---- What it is made of ----------------------------------------------------------------------------------

INSTALLED_APPS = [
    "accounts.apps.BoundedAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "django_q",
    "template_partials",
    "accounts",
    "contacts",
    "campaigns",
    "deliveries",
    "dashboard",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "contacts.access_log.AccessLogMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.shell.pages.ClientRedirectMiddleware",
    "dashboard.shell.busy.BusyMiddleware",
    "accounts.resuming.KeepUnsentMiddleware",
    "dashboard.shell.pages.ReaderZoneMiddleware",
]

ROOT_URLCONF = "config.urls"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.shell.pages.shell",
            ],
        },
    },
]

FORM_RENDERER = "dashboard.shell.widgets.LeanWidgets"

# ---- Database --------------------------------------------------------------------------------------------

DATABASES = {"default": env.database("DATABASE_URL", VAR_DIR / "waybill.sqlite3")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE takes the write lock when a transaction opens: waiting there is safe, while a lock asked for
    # half-way fails at once with "database is locked". WAL lets readers go on during a write.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536;",
    }
    VAR_DIR.mkdir(parents=True, exist_ok=True)
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 600
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# DATABASE_URL leads to a PgBouncer that pools transactions: then nothing may be left on a connection for later.
PGBOUNCER = env.flag("PGBOUNCER", default=False)
if PGBOUNCER:
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---- Background tasks: doorbells only, the work itself stands in our own tables ----------------------------

REDIS_URL = env.url(
    "REDIS_URL", "", schemes=("redis", "rediss"), example="redis://:PASSWORD@redis.example.com:6379/0"
)
WORKERS = env.number("WORKERS", 2, low=1, high=64)
Q_CLUSTER = {
    "name": "waybill",
    "label": "Tasks",
    "workers": WORKERS,
    "queue_limit": WORKERS,  # whatever is prefetched ages towards `retry`: prefetch no more than can run
    "bulk": 1,
    "timeout": 60,
    "retry": 200,  # more than three times the timeout: a slow task must not be started twice
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
    "poll": 0.3,
    **({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}),
}

# ---- People ----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "overview"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LANGUAGE_CODE = "en-us"
USE_I18N = True
FORMAT_MODULE_PATH = ["config.formats"]
USE_TZ = True
TIME_ZONE = env.zone("TIME_ZONE", "UTC")

# ---- Static files and security ---------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
if not PRODUCTION:  # there `collectstatic` fills it; here it only has to exist
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)
PLOTLY = importlib.util.find_spec("plotly")
STATICFILES_DIRS: list[Path | tuple[str, Path]] = [BASE_DIR / "static"]
if PLOTLY and PLOTLY.origin:  # its one script comes from the installed package: nothing is vendored
    STATICFILES_DIRS.append(("plotly", Path(PLOTLY.origin).parent / "package_data"))
STORAGES = {
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not PRODUCTION  # a checkout that is updated while it runs

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        # The hash is that of the empty string: plotly makes one empty <style> element.
        "style-src": [SELF, "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
HTTPS = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = PRODUCTION and HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # asked from inside, past the proxy that speaks TLS
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION and HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION and HTTPS
BEHIND_PROXY = env.flag("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
# Whose word counts on who the caller is and by which scheme it called (config/peers.py), and in which of the two
# headers they name the caller.
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES", "127.0.0.0/8,::1" if BEHIND_PROXY else "")
if BEHIND_PROXY and not TRUSTED_PROXIES:
    raise env.refuse(
        "TRUSTED_PROXIES", "none", "the addresses of the proxy that BEHIND_PROXY=1 speaks of", "10.0.0.5"
    )
PROXY_HEADER = env.choice("PROXY_HEADER", X_FORWARDED_FOR, (X_FORWARDED_FOR, FORWARDED))

# ---- What operators tune ---------------------------------------------------------------------------------

DEFAULT_REGION = env.region("DEFAULT_REGION", "US")  # for phone numbers written without a country code
SANDBOX_URL = env.url("SANDBOX_URL", f"http://127.0.0.1:{PORT + 1}", schemes=("http", "https"))
TWILIO_URL = env.url("TWILIO_URL", "https://api.twilio.com", schemes=("http", "https"))
RECEIPT_MAX_BYTES = env.number("RECEIPT_MAX_BYTES", 262_144, low=1_024, high=16_777_216)
# A request to a page: its longest body, and how long it may take (a second more for every 4,096 bytes that came).
REQUEST_MAX_BYTES = env.number("REQUEST_MAX_BYTES", 16_777_216, low=65_536, high=1_073_741_824)
# A file of contacts that is uploaded: half a million lines are some 50 MB.
UPLOAD_MAX_BYTES = env.number("UPLOAD_MAX_BYTES", 134_217_728, low=65_536, high=1_073_741_824)
# Pictures and recordings that are uploaded; every process that serves pages needs the same folder.
MEDIA_FOLDER = env.folder("MEDIA_FOLDER", VAR_DIR / "media")
REQUEST_SECONDS = env.number("REQUEST_SECONDS", 20, low=1, high=3_600)
RECEIPTS_WAITING_MAX = env.number("RECEIPTS_WAITING_MAX", 10_000, low=1, high=1_000_000)
# Ids in each partition of receipts and of status events, on PostgreSQL.
PARTITION_ROWS = env.number("PARTITION_ROWS", 10_000_000, low=100_000, high=1_000_000_000)
# For how long receipts, and the status events read from them, are kept: nothing is sent on behalf of an attempt that is
# two weeks old, and a provider's report comes within days.
RECEIPT_RETENTION_DAYS = env.days("RECEIPT_RETENTION_DAYS", low=30)
EVENT_RETENTION_DAYS = env.days("EVENT_RETENTION_DAYS", low=30)
# The same for what was decided and why, and for who was shown whole addresses or took out files.
DECISION_RETENTION_DAYS = env.days("DECISION_RETENTION_DAYS", low=90)
ACCESS_LOG_RETENTION_DAYS = env.days("ACCESS_LOG_RETENTION_DAYS", low=30)
# What people wrote to us, once somebody has read what has to be read; opt-outs stay, with their evidence.
REPLY_RETENTION_DAYS = env.days("REPLY_RETENTION_DAYS", low=90)
# Uploaded files of contacts, and what undoes their imports.
IMPORT_FILE_RETENTION_DAYS = env.number("IMPORT_FILE_RETENTION_DAYS", 30, low=1, high=3_650)
# How long a message handed over is its process's own; then it counts as in doubt, and is looked up.
HANDOVER_LEASE_SECONDS = env.number("HANDOVER_LEASE_SECONDS", 60, low=3, high=3_600)
# What waits for the permitted hours leaves over the first so many seconds of them, unless it is urgent.
OPENING_SPREAD_SECONDS = env.number("OPENING_SPREAD_SECONDS", 300, low=1, high=3_600)
# Before the hours end that the law permits (contacts/permitted_hours.csv), so much is left for queues and carriers.
PERMITTED_HOURS_MARGIN_MINUTES = env.number("PERMITTED_HOURS_MARGIN_MINUTES", 15, low=0, high=60)
# Who is asked about a number's line, and what a thousand answers cost in US cents; without both nothing is.
NUMBER_LOOKUP = env.choice("NUMBER_LOOKUP", "", ("", "twilio", "telnyx"))
NUMBER_LOOKUP_CENTS_PER_1000 = env.number("NUMBER_LOOKUP_CENTS_PER_1000", 0, low=0, high=1_000_000)
# What is not urgent waits for its account so long before the next route takes it; urgent messages do not wait.
PASS_ON_AFTER_MINUTES = env.number("PASS_ON_AFTER_MINUTES", 5, low=0, high=1_440)
# A process of the worker that makes no progress for this long is started anew; work that waits longer is overdue.
WORKER_STALL_SECONDS = env.number("WORKER_STALL_SECONDS", 60, low=5, high=3_600)
# /readyz turns red beyond these ages.
READY_HEARTBEAT_SECONDS = env.number("READY_HEARTBEAT_SECONDS", 180, low=5, high=86_400)
READY_RECEIPT_SECONDS = env.number("READY_RECEIPT_SECONDS", 300, low=5, high=86_400)
READY_DISK_MEGABYTES = env.number(
    "READY_DISK_MEGABYTES", 200, low=1, high=1_000_000
)  # and below this much free


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def _refusals_in_one_line(record: LogRecord) -> bool:
    """A refused request (400, 403) is the program at work: its traceback would bury the ones that matter."""
    if getattr(record, "status_code", None) in (400, 403):
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = WARNING, "WARNING"
    return True


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "refusals": {"()": "django.utils.log.CallbackFilter", "callback": _refusals_in_one_line},
    },
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["refusals"]},
    },
    "loggers": {
        # They tell whole addresses, in which some providers take passwords, and all our own secret for receipts.
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
    },
    "root": {"handlers": ["console"], "level": env.choice("LOG_LEVEL", "WARNING", LEVELS)},
}
