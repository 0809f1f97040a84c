"""English: dates and times as all other pages write them, and the clock of twelve hours that its readers type."""

from django.conf.locale.en.formats import TIME_INPUT_FORMATS as DJANGO

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y, H:i T"  # nothing else beside a time of the admin says its zone
TIME_FORMAT = "H:i"
TIME_INPUT_FORMATS = [*DJANGO, "%I:%M %p", "%I:%M%p", "%I %p", "%I%p", "%H.%M"]
