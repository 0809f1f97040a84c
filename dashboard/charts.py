"""Rows to plotly figures, as plain dicts. No colours: each trace names its bucket in `meta`, the script paints it.

Besides a bucket `meta` may be "ink", "ink2", "line" or "accent"; shapes and annotations carry such a name in `name`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contacts.channels import Channel
from deliveries.outcomes.delivery_rate import BELOW, Outcomes, TargetVerdict
from deliveries.outcomes.rounding import percent, percent_of
from deliveries.outcomes.thresholds import WATCH_BELOW
from deliveries.statuses import BUCKETS, Disposition

LIMIT_LINE = round(
    100 * (1 - WATCH_BELOW), 2
)  # percent not delivered, beyond which a channel is to be watched
ROW, MARGIN = 34, 46  # pixels to a bar, and for the axis
NAME_LENGTH = 22  # characters beside a bar
SHORT = {Channel.RVM: "Voicemail"}


def chart_context(
    channels: Mapping[str, Outcomes], *, everything: bool, link: Callable[[str], str] = lambda bucket: ""
) -> dict[str, Any]:
    """What the templates of the chart by channel print. `link(bucket)` is where an entry of the legend leads; '' for
    nowhere."""
    return {
        "everything": everything,
        "figure": outcome_by_channel(channels, everything=everything),
        "finding": finding(channels),
        "legend": [(BUCKETS[one], one.label, link(BUCKETS[one])) for one in _drawn(everything)],
        "data_table": data_table(channels),
        "dispositions": list(Disposition),
    }


def rate_context(outcomes: Outcomes, verdict: TargetVerdict) -> dict[str, Any]:
    """What the template of the delivery rate prints."""
    return {
        "outcomes": outcomes,
        "rate": percent(outcomes.settled_rate),
        "of_sent": percent(outcomes.rate),
        "verdict": verdict,
        "verdict_icon": verdict_icon(outcomes),
    }


def _drawn(everything: bool) -> list[Disposition]:
    return [one for one in Disposition if everything or one != Disposition.DELIVERED]


def outcome_by_channel(channels: Mapping[str, Outcomes], *, everything: bool = False) -> dict[str, Any]:
    """Stacked bars, one to a channel, in percent of what was sent there.

    Opens on what was not delivered; `everything` adds the delivered. Returns {"data", "layout"}; an empty `data`
    when nothing was sent. A click on a segment follows the entry of its bucket in the legend.
    """
    shown = [channel for channel in Channel if channel in channels and channels[channel].sent]
    # A disposition that is empty everywhere draws nothing.
    traces = [
        _trace(one, shown, channels)
        for one in _drawn(everything)
        if any(channels[channel].of(one) for channel in shown)
    ]
    ends = {channel: _total(channels[channel], everything) for channel in shown}
    return {"data": traces, "layout": _layout(ends, everything)}


def _trace(
    disposition: Disposition, shown: list[Channel], channels: Mapping[str, Outcomes]
) -> dict[str, Any]:
    bucket = BUCKETS[disposition]
    return {
        "type": "bar",
        "orientation": "h",
        "name": str(disposition.label),
        "meta": bucket,
        "y": [_name(channel) for channel in shown],
        "x": [round(100 * channels[one].of(disposition) / channels[one].sent, 2) for one in shown],
        "text": [
            f"{n:,} ({percent_of(n, channels[one].sent)})"
            for one in shown
            for n in [channels[one].of(disposition)]
        ],
        "textposition": "none",
        "hovertemplate": "%{y}, %{fullData.name}: %{text}<extra></extra>",
    }


def _total(outcomes: Outcomes, everything: bool) -> float:
    return 100.0 if everything else 100 * (outcomes.sent - outcomes.delivered) / outcomes.sent


def _layout(ends: Mapping[Channel, float], everything: bool) -> dict[str, Any]:
    reach = (
        100.0 if everything else max([*ends.values(), LIMIT_LINE]) * 1.25
    )  # room for the number at the end
    axis = {"zeroline": False}
    return {
        "template": "none",
        "barmode": "stack",
        "bargap": 0.45,
        "showlegend": False,
        "height": ROW * max(len(ends), 1) + MARGIN,
        "margin": {"l": 84, "r": 8, "t": 6, "b": 28},
        "xaxis": {**axis, "range": [0, round(reach, 2)], "ticksuffix": "%", "nticks": 5},
        "yaxis": {**axis, "autorange": "reversed", "showgrid": False, "ticks": "", "ticksuffix": "  "},
        "annotations": [] if everything else [_end(channel, end) for channel, end in ends.items()],
        "shapes": [] if everything or not ends else [_line()],
        "hovermode": "closest",
    }


def _end(channel: Channel, end: float) -> dict[str, Any]:
    """The total, written at the end of the bar."""
    return {
        "x": round(end, 2),
        "y": _name(channel),
        "text": percent(end / 100),
        "showarrow": False,
        "xanchor": "left",
        "xshift": 6,
        "font": {"weight": 600},
    }


def latency_by_route(routes: Sequence[tuple[str, str, int, str]], limit: int) -> dict[str, Any]:
    """Bars of (name, short name, seconds, bucket), with a line at `limit` seconds. An empty `data` without any."""
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "meta": bucket,
            "y": [place],
            "x": [seconds],
            "hovertemplate": "%{fullData.name}: %{x} s<extra></extra>",
        }
        for place, (name, _, seconds, bucket) in enumerate(routes)
    ]
    ticks = {"tickvals": list(range(len(routes))), "ticktext": [_clipped(short) for _, short, *_ in routes]}
    reach = max([1.5 * limit, *(seconds for _, _, seconds, _ in routes)]) * 1.1
    layout = _layout({}, everything=True)
    layout |= {
        "height": ROW * max(len(routes), 1) + MARGIN,
        "margin": {**layout["margin"], "l": 8},
        "xaxis": {**layout["xaxis"], "range": [0, round(reach, 1)], "ticksuffix": " s"},
        "yaxis": {**layout["yaxis"], **ticks, "automargin": True},
        "shapes": [_line(limit)],
    }
    return {"data": traces, "layout": layout}


def _clipped(name: str) -> str:
    """Short enough to leave room for the bars on a phone."""
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"


def _line(at: float = LIMIT_LINE) -> dict[str, Any]:
    """Where a channel begins to be one to watch."""
    line = {"dash": "dot", "width": 1.5}
    return {
        "type": "line",
        "x0": at,
        "x1": at,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": line,
    }


def _name(channel: Channel) -> str:
    return SHORT.get(channel, str(channel.label))


def data_table(channels: Mapping[str, Outcomes]) -> list[tuple[str, int, list[int], str]]:
    """The same numbers as table rows: channel, sent, count of each disposition, delivery rate."""
    return [
        (str(channel.label), counts.sent, [counts.of(one) for one in Disposition], percent(counts.rate))
        for channel in Channel
        if (counts := channels.get(channel)) and counts.sent
    ]


def verdict_icon(outcomes: Outcomes) -> str:
    """The icon beside the verdict: a verdict is never said by colour alone."""
    bucket = outcomes.verdict.bucket
    return "down" if bucket in BELOW else bucket


def finding(channels: Mapping[str, Outcomes]) -> str:
    """The chart in one sentence, for those who do not see it."""
    sent = {channel: outcomes for channel, outcomes in channels.items() if outcomes.sent}
    if not sent:
        return "Nothing has been sent yet."
    worst = min(sent, key=lambda channel: sent[channel].rate or 0)
    rate = sent[worst].rate or 0
    label = str(Channel(worst).label)
    if len(sent) == 1:
        return f"Outcome on {label}: {percent(rate)} delivered."
    return f"Outcome by channel. Lowest is {label} with {percent(rate)} delivered."
