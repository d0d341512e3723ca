"""Numbers and titles as a reader sees them, the same words as in the widget."""

from __future__ import annotations

import html
import math
import re

from landscape_widgets.results import Axis

MINUS = "\u2212"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUBSCRIPT = str.maketrans("0123456789aimnx", "₀₁₂₃₄₅₆₇₈₉ₐᵢₘₙₓ")


def number(value: float | None, digits: int = 3) -> str:
    """A number for a reader: plain decimals where they are short, a true minus sign, a dash where there is none.

    >>> [number(x) for x in (0.003591, -0.0152, 12.0, 4.1e-7, 1e9, float("nan"), None)]
    ['0.00359', '−0.0152', '12', '4.1·10⁻⁷', '10⁹', '–', '–']
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else MINUS + "∞"
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if -4 <= power < 6:
        return _trimmed(f"{float(f'{mantissa}e{exponent}'):.{max(digits - 1 - power, 0)}f}").replace("-", MINUS)
    lead = _trimmed(mantissa).replace("-", MINUS)
    return {"1": "", MINUS + "1": MINUS}.get(lead, lead + "·") + "10" + str(power).translate(_SUPERSCRIPT)


def said(value: float | None, digits: int = 3) -> str:
    """A computed value: one that is NaN is called so.

    >>> said(float("nan")), said(None), said(0.25)
    ('NaN', 'not computed', '0.25')
    """
    if value is None:
        return "not computed"
    return "NaN" if math.isnan(value) else number(value, digits)


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def axis_title(name: str, axis: Axis) -> str:
    """`α · <label> (<unit>)`; what is empty is left out.

    >>> axis_title("α", Axis("random, seed 0", "filter", "filter norms", 0))
    'α · random, seed 0 (filter norms)'
    """
    words = f"{name} · {axis.label}" if axis.label else name
    return f"{words} ({axis.unit})" if axis.unit else words


def lowered(text: str) -> str:
    """Write the indices of eigenvalues as subscripts: λ_max becomes λₘₐₓ."""
    return re.sub(r"(?<=λ)_(max|min|\d+)", lambda found: found[1].translate(_SUBSCRIPT), text)


def plain(text: str) -> str:
    """Text for plotly, which reads some HTML and TeX: shown as it is written.

    >>> plain("a<b> & $c$")
    'a&lt;b&gt; &amp; &#36;c&#36;'
    """
    return html.escape(text, quote=False).replace("$", "&#36;")


def plain_3d(text: str) -> str:
    """Text for the axes of plotly's 3-D scenes, which read some tags but no entities: shown as it is written.

    A space of no width after `<` makes it no tag.
    """
    return text.replace("<", "<\u200b")


def counted(count: int, one: str, many: str) -> str:
    """A count with its noun and verb."""
    return f"{count:,} {one if count == 1 else many}"
