"""What a browser test may not overlook: errors in the console, on the page, on the wire, and of the policy."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, Response, WebError

# Violations reach the console as well; the event also tells of those that Chromium only warns of.
REPORT_POLICY = """addEventListener("securitypolicyviolation",
  (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`))"""


class Watch:
    """Collects what went wrong in a context. `expect(pattern)` names what a test provokes on purpose."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.expected: list[str] = []
        self.responses: list[Response] = []

    def follow(self, context: BrowserContext) -> None:
        context.add_init_script(REPORT_POLICY)
        context.on("console", self._console)
        context.on("weberror", self._page_error)
        context.on("requestfailed", self._failed)
        context.on("response", self._answered)

    def expect(self, pattern: str) -> None:
        self.expected.append(pattern)

    def unexpected(self) -> list[str]:
        return [one for one in self.problems if not any(re.search(each, one) for each in self.expected)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _page_error(self, error: WebError) -> None:
        self.problems.append(f"page error: {error.error}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a newer request took its place, or the page was left
            self.problems.append(f"request failed: {request.method} {request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        self.responses.append(response)
        if response.status >= 400:
            self.problems.append(f"answer {response.status}: {response.request.method} {response.url}")
