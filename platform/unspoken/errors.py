"""What can go wrong, and what each error answers.

UnspokenError
├── BadInput            422   what was sent or named does not fit; the detail says what was needed
│   ├── BadEvent        422   one event of a batch, with the field that is off
│   ├── MalformedBody   400   not JSON at all
│   ├── TooLarge        413   over a limit, with the limit
│   ├── WrongMediaType  415   a content type that this route does not take
│   ├── MissingRun      422   a folder without its manifest, a model that is not there
│   └── TooLittleData   422   nothing to label, train on or compare
├── NotSignedIn         401   no key, or an unknown one
├── NotAllowed          403   a key that may not do this
├── NotFound            404
├── Conflict            409   the thing exists already, with other content
├── TooMany             429   carries retry_after_s
└── Unavailable         503   carries retry_after_s; also: a device or service that is not here

The API renders them as application/problem+json (RFC 9457); the command line prints the detail and exits 2.
"""


class UnspokenError(Exception):
    """Base of everything this package raises on purpose."""

    status = 500
    slug = "internal"
    title = "Something went wrong here"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.public = detail  # what a caller from outside reads


class BadInput(UnspokenError):
    """What was given does not fit what was needed."""

    status = 422
    slug = "bad-input"
    title = "The input does not fit"


class BadEvent(BadInput):
    """One event is off; `field` is its dotted path, "" for the whole event."""

    slug = "bad-event"
    title = "An event does not fit the vocabulary"

    def __init__(self, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.field = field


class MalformedBody(BadInput):
    """The body cannot be read as what its content type says."""

    status = 400
    slug = "malformed-body"
    title = "The body cannot be read"


class TooLarge(BadInput):
    """A limit was passed; the detail names the limit."""

    status = 413
    slug = "too-large"
    title = "Too large"


class WrongMediaType(BadInput):
    """The content type or encoding is not one this route takes."""

    status = 415
    slug = "wrong-media-type"
    title = "This content type is not taken here"


class MissingRun(BadInput):
    """A folder or model that was named is not there, or is not whole."""

    slug = "missing-run"
    title = "Not there, or not whole"


class TooLittleData(BadInput):
    """There is not enough to label, train on or compare."""

    slug = "too-little-data"
    title = "Too little data"


class NotSignedIn(UnspokenError):
    """No key was given, or nobody knows it."""

    status = 401
    slug = "not-signed-in"
    title = "A key is needed"


class NotAllowed(UnspokenError):
    """The key is known and may not do this."""

    status = 403
    slug = "not-allowed"
    title = "This key may not do that"


class NotFound(UnspokenError):
    """Nothing of that name."""

    status = 404
    slug = "not-found"
    title = "Not found"


class Conflict(UnspokenError):
    """It exists already and is not the same."""

    status = 409
    slug = "conflict"
    title = "It exists already"


class TooMany(UnspokenError):
    """A rate limit; try again after `retry_after_s` seconds."""

    status = 429
    slug = "too-many"
    title = "Too many requests"

    def __init__(self, detail: str, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Unavailable(UnspokenError):
    """A service or device that is needed is not here now; try again after `retry_after_s` seconds.

    `public` is for callers from outside, where the detail names paths, hosts or what a driver said.
    """

    status = 503
    slug = "unavailable"
    title = "Not available now"

    def __init__(self, detail: str, retry_after_s: int = 5, public: str = "") -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        self.public = public or detail
