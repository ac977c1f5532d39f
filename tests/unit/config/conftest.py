from pathlib import Path

import pytest

from relay.config import load

ACCOUNT = "accounts: [{name: acme, base_url: https://acme.zendesk.com, auth: {kind: bearer, token: s3cret-token}}]\n"


@pytest.fixture
def loaded():
    """Loads a configuration from its text; `with_account` puts an account in front."""

    def loaded(text, *, with_account=True, environ=None, files=None):
        given = {"config.yaml": (ACCOUNT if with_account else "") + text, **(files or {})}

        def files_in(folder):
            return [Path(name).name for name in given if Path(name).parent == folder]

        return load(Path("config.yaml"), environ or {}, lambda path: given[str(path)], files_in)

    return loaded
