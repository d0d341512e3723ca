"""Fetch a file over HTTP and keep it only if its checksum is right."""

from __future__ import annotations

import hashlib
import http.client
import os
from pathlib import Path
from urllib.request import Request, urlopen

from landscape_widgets.errors import InputError

CHUNK = 2**18


def md5_of(path: Path) -> str:
    """Return the MD5 of a file in hexadecimal digits: it guards against damage, not against malice."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def fetch(url: str, target: Path, md5: str, *, limit: int, timeout: float = 30.0) -> Path:
    """Download a file to `target`, unless it is there with the right checksum.

    Parameters
    ----------
    url : http or https.
    target : the file to write; it appears whole or not at all.
    md5 : hexadecimal MD5 the file must have.
    limit : most bytes to accept.
    timeout : seconds without an answer after which to give up.

    Returns
    -------
    target : the path given.

    Raises
    ------
    InputError : another scheme, no answer, more bytes than the limit, or another checksum; nothing is left behind.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(f"expected an http or https address, got {url}", "pass base_url=https://…")
    if target.is_file() and md5_of(target) == md5.lower():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        _copy(url, part, limit, timeout)
        if (got := md5_of(part)) != md5.lower():
            raise InputError(
                f"expected {target.name} with MD5 {md5}, got {got} from {url}",
                "download again, or pass the base_url= of another mirror",
            )
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _copy(url: str, part: Path, limit: int, timeout: float) -> None:
    """Stream a response into a file, at most `limit` bytes."""
    size = 0
    try:
        request = Request(url, headers={"User-Agent": "landscape_widgets"})
        with urlopen(request, timeout=timeout) as response, part.open("wb") as file:
            while chunk := response.read(CHUNK):
                size += len(chunk)
                if size > limit:
                    raise InputError(
                        f"expected at most {limit} bytes from {url}, got more", "check base_url: this is another file"
                    )
                file.write(chunk)
    except (OSError, http.client.HTTPException) as error:
        raise InputError(
            f"expected a file at {url}, got no answer that can be used ({error})",
            "check the connection, or pass the base_url= of another mirror",
        ) from error
