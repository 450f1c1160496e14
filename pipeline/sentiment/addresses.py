"""Addresses: one form for the many in which feeds write the address of one page.

Add a rule here when it needs only the address: nothing is asked over the network, so that a shortened address stays
what it is.
"""

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

LONGEST = 2_000  # characters; a longer one names no page that anybody can open
# Parts of the query that say how a reader came, not what is read.
_TRACKING_NAMES = """
fbclid gclid gclsrc dclid msclkid twclid yclid igshid igsh mc_cid mc_eid mkt_tok ref ref_src ref_url
referrer source src cmpid cmp ito ncid sr_share smid soc_src soc_trk share share_id shared spm s_cid rss
guccounter guce_referrer guce_referrer_sig amp outputtype _ga _gl __twitter_impression
"""
TRACKING = frozenset(_TRACKING_NAMES.split())
_TRACKING_PREFIXES = ("utm_", "pk_", "mtm_", "hsa_", "ga_", "at_custom")
_VARIANT = re.compile(r"^(?:www\d?|m|mobile|amp)\.(?=[^.]+\.)")
_AMP_ENDS = re.compile(r"(?:/amp/?|\.amp(?=\.html?$)|/index\.(?:html?|php))$", re.IGNORECASE)
_ESCAPED = re.compile(r"%[0-9a-fA-F]{2}")
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+|\[[0-9a-f:.]+\]|localhost")


def canonical(address: str | None) -> str | None:
    """The address without what only tracks, in one writing; None where it is no address of a page.

    Host and scheme are in lower case, default ports, fragments, user names and ``www.``, ``m.``, ``amp.`` are gone,
    the query is sorted. Whatever does not begin with http or https (``javascript:``, ``data:``) is no page.
    """
    if not address or len(address) > LONGEST:
        return None
    try:
        parts = urlsplit(address.strip())
        port = parts.port
        host = (parts.hostname or "").rstrip(".").encode("idna").decode("ascii") if parts.hostname else ""
    except (ValueError, UnicodeError):
        return None
    scheme = parts.scheme.lower()
    host = host if not parts.netloc.rpartition("@")[2].startswith("[") else f"[{host}]"
    if scheme not in _PORTS or not _HOST.fullmatch(host):
        return None
    host = _VARIANT.sub("", host)
    place = host if port in (None, _PORTS[scheme]) else f"{host}:{port}"
    try:
        path = _ESCAPED.sub(lambda found: found[0].upper(), quote(parts.path, safe="/%:@!$&'()*+,;=~-._"))
        asked = sorted(pair for pair in parse_qsl(parts.query, keep_blank_values=True) if not _is_tracking(pair[0]))
        query = f"?{urlencode(asked)}" if asked else ""
    except (ValueError, UnicodeError):
        return None
    path = _AMP_ENDS.sub("", re.sub(r"/{2,}", "/", path)).rstrip("/")
    return f"{scheme}://{place}{path}{query}"


def comparable(address: str | None) -> str | None:
    """What two canonical addresses of one page have in common: all but the scheme; None for none.

    A bare host is a publisher's, not a text's, and compares with nothing.
    """
    rest = address.partition("://")[2] if address else ""
    return rest if "/" in rest or "?" in rest else None


def host_of(address: str | None) -> str | None:
    """Who publishes there, e.g. ``example.org``; None where it is no address of a page."""
    found = canonical(address)
    return None if found is None else re.split(r"[/?]", found.partition("://")[2], maxsplit=1)[0]


def _is_tracking(name: str) -> bool:
    name = name.lower()
    return name in TRACKING or name.startswith(_TRACKING_PREFIXES)
