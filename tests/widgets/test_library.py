"""The bundle on its way to the page."""

from __future__ import annotations

import gzip

from landscape_widgets.widgets.library import bundle, library


def test_bundle_travels_compressed():
    sent = library().bundle
    assert gzip.decompress(sent) == bundle()
    assert len(sent) < 0.4 * len(bundle())


def test_one_library_a_kernel():
    first = library()
    assert library() is first
    first.close()
    assert library() is not first
