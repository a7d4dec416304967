"""The services that cut images out of radio surveys, through astroquery."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

from astro_vae import transfer
from astro_vae.errors import UserError
from astro_vae.surveys._asking import Cutout
from astro_vae.transfer import ABSENT, FailedError, MissingError


class Wanted(Protocol):
    """What is asked of a service: see the settings of the survey."""

    @property
    def service(self) -> str: ...
    @property
    def image(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def pixel_arcsec(self) -> float: ...


def query_of(source: Wanted) -> Any:
    """Return astroquery's object for the service."""
    if source.service == "first":
        from astroquery.image_cutouts.first import FirstClass

        return FirstClass()
    from astroquery.skyview import SkyViewClass

    return SkyViewClass()


def _skyview(query: Any, source: Wanted, mirror: str) -> Cutout:
    """Return the function that asks SkyView, after a look whether it has the survey."""
    asking = type(query)()  # it remembers the list of surveys, even one that it did not find
    asking.URL = _redirected(query.URL, mirror)
    asking._request = partial(asking._request, timeout=transfer.TIMEOUT)  # it would wait for ever
    try:
        offered = [name for group in asking.survey_dict.values() for name in group]
    except KeyError:  # a list of another kind
        offered = []
    if not offered:
        raise FailedError("the service sent a page without its list of surveys")
    if source.image not in offered:
        near = ", ".join(difflib.get_close_matches(source.image, offered, n=3, cutoff=0.4)) or "none"
        raise UserError(f"source.image: SkyView has no '{source.image}'; near to it: {near}")

    def cutout(position: Any) -> bytes:
        side = _side(source)
        try:
            links = asking.get_image_list(
                position, source.image, pixels=source.size, width=side, height=side, cache=False
            )
        except AttributeError:  # astroquery takes for granted that the page has a form
            raise FailedError("the service sent a page without its form") from None
        if not links:
            raise MissingError("SkyView made no image: usually it has no coverage here")
        response = asking._request("GET", _redirected(links[0], mirror), cache=False)
        if response.status_code in ABSENT:
            raise MissingError(f"nothing behind SkyView's link (HTTP status {response.status_code}): no coverage")
        response.raise_for_status()
        return bytes(response.content)

    return cutout


def _first_server(query: Any, source: Wanted, mirror: str) -> Cutout:
    """Return the function that asks the FIRST cutout server, which sends the file itself."""
    query = type(query)()
    query.URL, query.TIMEOUT = _redirected(query.URL, mirror), transfer.TIMEOUT

    def cutout(position: Any) -> bytes:
        response = query.get_images_async(position, image_size=_side(source))
        response.raise_for_status()
        return bytes(response.content)

    return cutout


SERVICES: dict[str, Callable[[Any, Wanted, str], Cutout]] = {"skyview": _skyview, "first": _first_server}


def _side(source: Wanted) -> Any:
    import astropy.units as u

    return source.size * source.pixel_arcsec * u.arcsec


def _redirected(url: str, mirror: str) -> str:
    """Return the address below the mirror, where there is one."""
    if not mirror or url.startswith(mirror):
        return url
    if not mirror.startswith(("http://", "https://")):
        raise UserError(f"{mirror}: a mirror that is a folder cannot answer queries; set an address, or none")
    parts = urlsplit(url)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}"
