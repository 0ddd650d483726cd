"""The storage URI: the CRD's pattern and the parser agree, and nothing secret is printed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_api import storage_uri
from mooring_api.storage_uri import InvalidStorageUri, StorageUri, parse, redact

SEGMENT = st.from_regex(r"[A-Za-z0-9_.~=-]{1,10}", fullmatch=True).filter(lambda part: part not in (".", ".."))
PATH = st.lists(SEGMENT, max_size=4).map("/".join)
HOST = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,10}[a-z0-9])?", fullmatch=True)
SCHEME = st.sampled_from(storage_uri.SCHEMES)


@given(SCHEME, HOST, PATH)
def test_the_parts_are_what_was_put_together(scheme: str, host: str, path: str) -> None:
    text = f"{scheme}://{host}/{path}"
    assert parse(text) == StorageUri(scheme, host, path, text)
    assert re.match(storage_uri.PATTERN, text)


@given(st.text(max_size=30) | st.builds(lambda s, h, p: f"{s}{h}{p}", SCHEME, st.sampled_from(["://", ":/", ""]), PATH))
def test_what_the_parser_refuses_for_its_form_the_pattern_refuses_too(text: str) -> None:
    if re.fullmatch(storage_uri.PATTERN, text) and not text.startswith("pvc://"):
        assert parse(text).scheme in storage_uri.SCHEMES


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no scheme"),
        ("bucket/model", "no scheme"),
        ("ftp://host/model", "scheme 'ftp'"),
        ("s3:///model", "names no bucket"),
        ("pvc://", "names no PersistentVolumeClaim"),
        ("http:///x", "names no host"),
        ("pvc://claim/../other", r"leaves its claim with '\.\.'"),
    ],
)
def test_what_cannot_be_fetched_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(InvalidStorageUri, match=says):
        parse(text)


@pytest.mark.parametrize(
    "text", ["s3://", "s3:/a/b", "azure://a/b", "s3://a b/c", "s3://a/b c", "S3://a/b", " s3://a/b"]
)
def test_the_pattern_refuses(text: str) -> None:
    assert not re.match(storage_uri.PATTERN, text)


@given(SCHEME, HOST, PATH, st.from_regex(r"[A-Za-z0-9]{12,16}", fullmatch=True))
def test_credentials_and_queries_are_never_printed(scheme: str, host: str, path: str, secret: str) -> None:
    for text in (f"{scheme}://user:{secret}@{host}/{path}", f"{scheme}://{host}/{path}?sig={secret}#{secret}"):
        assert secret not in redact(text).removeprefix(f"{scheme}://{host}/{path}")
        assert redact(text) == f"{scheme}://{host}/{path}"
        assert parse(text).redacted == redact(text)


@given(st.text(max_size=40))
def test_anything_can_be_redacted(text: str) -> None:
    assert "@" not in redact(text).partition("://")[2].partition("/")[0]
