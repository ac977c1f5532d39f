from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from relay.core.allowlist import FORM, NONE_ALLOWED, AllowedHost, Allowlist, NotAllowed
from relay.core.signing import Secret

CLUSTER = AllowedHost(pattern="*.svc.cluster.local", allow_http=True, allow_private=True)
HOOKS = AllowedHost(pattern="hooks.acme.com", secrets=(Secret(key=bytes(24)),))
USUAL = Allowlist([CLUSTER, HOOKS])
ANY = Allowlist([AllowedHost(pattern="*", allow_http=True)])


def refused(url, allowlist=USUAL):
    with pytest.raises(NotAllowed) as caught:
        allowlist.allowed(url)
    return str(caught.value)


def allowed(url, pattern):
    try:
        return Allowlist([AllowedHost(pattern=pattern, allow_http=True)]).allowed(url).pattern == pattern
    except NotAllowed:
        return False


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("https://hooks.acme.com", HOOKS),
        ("https://hooks.acme.com?job=1", HOOKS),
        ("HTTPS://Hooks.ACME.com:8443/a/b;c=1?x=%C3%A4&y=(z)", HOOKS),
        ("https://hooks.acme.com./", HOOKS),
        ("http://orders.shop.svc.cluster.local:8080/done", CLUSTER),
        ("https://orders.shop.svc.cluster.local", CLUSTER),
    ],
)
def test_a_url_gets_what_is_said_of_its_host(url, entry):
    assert USUAL.allowed(url) is entry


def test_without_hosts_no_callback_is_allowed():
    assert refused("https://hooks.acme.com", Allowlist()) == NONE_ALLOWED


def test_the_first_host_that_matches_decides():
    narrow = AllowedHost(pattern="a.acme.com", allow_http=True)
    wide = AllowedHost(pattern="*.acme.com")
    assert Allowlist([narrow, wide]).allowed("http://a.acme.com") is narrow
    assert "must be https" in refused("http://a.acme.com", Allowlist([wide, narrow]))


@pytest.mark.parametrize(
    ("host", "pattern", "fits"),
    [
        ("a.acme.com", "*.acme.com", True),
        ("a.b.acme.com", "*.acme.com", True),  # as services of a cluster have it: name, namespace, domain
        ("acme.com", "*.acme.com", False),
        ("evilacme.com", "*.acme.com", False),
        ("a.acme.com.evil.com", "*.acme.com", False),
        ("acme.com.evil.com", "acme.com", False),
        ("acme-com", "acme.com", False),
        ("hooks.eu.acme.com", "hooks.*.acme.com", True),
        ("8.8.8.8", "8.8.8.8", True),
        ("8.8.8.8", "*", True),
        ("8.8.8.8", "*.8.8.8", False),
    ],
)
def test_a_star_stands_for_anything_within_a_name_dots_included(host, pattern, fits):
    assert allowed(f"https://{host}/", pattern) is fits


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.acme.com",
        "//hooks.acme.com/",
        "ftp://hooks.acme.com/",
        "https:/hooks.acme.com/",
        "https:///hooks.acme.com/",
        "https://",
        "https://user@hooks.acme.com/",
        "https://user:password@hooks.acme.com/",
        "https://hooks.acme.com@evil.com/",
        "https://evil.com#@hooks.acme.com/",
        "https://evil.com\\@hooks.acme.com/",
        "https://evil.com\\.hooks.acme.com/",
        "https://hooks.acme.com/#part",
        "https://hooks.acme.com#",
        " https://hooks.acme.com/",
        "https://hooks.acme.com/ ",
        "https://hooks.acme.com/\n",
        "https://hooks.acme.com/\r\nX-Evil: 1",
        "https://hooks.acme.com/a\tb",
        "https://hooks\t.acme.com/",
        "https://hooks.acme.com\x00.evil.com/",
        "https://hooks.acme.com%2eevil.com/",
        "https://hooks%2eacme.com/",
        "https://hooks.acme.com/%zz",
        "https://hooks.acme.com/ä",
        "https://hooks。acme。com/",
        "https://\u210books.acme.com/",
        "https://hooks.acme.com\uff0e/",
        "https://①②⑦.⓪.⓪.①/",
        "https://hooks..acme.com/",
        "https://.hooks.acme.com/",
        "https://hooks.acme.com../",
        "https://-hooks.acme.com/",
        f"https://{'a' * 64}.acme.com/",
        f"https://{'a.' * 127}com/",
        "https://hooks.acme.com:/",
        "https://hooks.acme.com:0/",
        "https://hooks.acme.com:65536/",
        "https://hooks.acme.com:8e1/",
        "https://hooks.acme.com:-1/",
        "https://[::1/",
        "https://::1/",
        "https://[fe80::1%25eth0]/",
        "https://[v1.a]/",
    ],
)
def test_what_two_parsers_might_understand_differently_is_no_url(url):
    assert refused(url) == refused(url, ANY) == FORM


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("127.0.0.1", "a private address"),
        ("10.1.2.3.", "a private address"),
        ("[::1]", "a private address"),
        ("[::ffff:10.0.0.1]", "a private address"),
        ("169.254.169.254", "a link-local address"),
        ("[fd00:ec2::254]", "a metadata address"),
        ("2130706433", "not an address"),
        ("0x7f000001", "not an address"),
        ("127.1", "not an address"),
        ("0177.0.0.1", "not an address"),
        ("a.0x7f", "not an address"),
        ("[:::]", "not an address"),
    ],
)
def test_a_literal_address_is_judged_at_once_even_where_any_host_is_allowed(host, why):
    assert refused(f"https://{host}/", ANY).endswith(f"are refused: it is {why}")


def test_private_addresses_may_be_allowed_and_metadata_never():
    private = Allowlist([AllowedHost(pattern="*", allow_private=True)])
    assert private.allowed("https://10.1.2.3/")
    assert private.allowed("https://[::1]/")
    assert "link-local" in refused("https://169.254.169.254/latest/meta-data", private)


def test_a_refusal_says_which_hosts_are_allowed_and_no_secret():
    text = refused("https://evil.com/?token=hush")
    assert text == "callbacks to the host evil.com are not allowed; allowed are: *.svc.cluster.local, hooks.acme.com"
    many = Allowlist([AllowedHost(pattern=f"{number}.acme.com") for number in range(12)])
    assert refused("https://evil.com/", many).endswith("8.acme.com, 9.acme.com and 2 more")
    assert "https" in refused("http://hooks.acme.com/?token=hush")
    assert "hush" not in refused("http://hooks.acme.com/?token=hush")


@given(st.text(alphabet="aZ09.-_:/?@#[]%\\&", max_size=12).map("https://a".__add__))
@example("https://hooks.acme.com.:443/?a=b@c")
def test_whatever_is_allowed_is_one_host_to_every_parser(url):
    """Python's, which names the endpoint, and yarl's, by which the connection is made."""
    try:
        ANY.allowed(url)
    except NotAllowed:
        return
    assert urlsplit(url).hostname == URL(url).raw_host
    assert URL(url).user is None
    assert (urlsplit(url).port or URL(url).port) == URL(url).port
