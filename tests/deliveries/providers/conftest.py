"""Amazon's interface, as far as tests need it."""

import json

import pytest
from botocore.awsrequest import AWSResponse

from deliveries.providers import amazon_ses


@pytest.fixture
def aws(monkeypatch):
    """Amazon's answers: a list of (status, JSON) or exceptions, taken one at a time."""
    answers, requests_made = [], []

    def answer(session, request):
        requests_made.append(request)
        payload = answers.pop(0)
        if isinstance(payload, Exception):
            raise payload
        status, body = payload
        raw = json.dumps(body).encode()
        headers = {"x-amzn-errortype": body.get("__type", ""), "content-type": "application/json"}
        response = AWSResponse(request.url, status, headers, None)
        response._content = raw
        return response

    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", answer)
    amazon_ses.client_for.cache_clear()
    yield answers, requests_made
    amazon_ses.client_for.cache_clear()
