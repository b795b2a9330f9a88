"""Every route of the OpenAPI document with whatever its description allows, and with what it does not: never a 5xx."""

from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.python.asgi import get_client

from unspoken.api.app import create_app
from unspoken.store import keys, projects
from unspoken.store.database import transaction

EXAMPLES = 12  # of each kind, for each of the routes
calm = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_no_route_answers_with_a_fault_of_the_server(sqlite_engine, broker):
    with transaction(sqlite_engine) as session:
        project = projects.create(session, "chat")
    app: Any = create_app(sqlite_engine, local=False)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    found = list(schema.get_all_operations())
    operations = [each.ok() for each in found if isinstance(each, Ok)]
    assert len(operations) == len(found) > 10
    faults = []
    asked = set()
    with get_client(app) as client:
        for operation in operations:
            with transaction(sqlite_engine) as session:  # the route before may have revoked the last one
                key = keys.create(session, project.id, "admin")[1]
            client.headers["authorization"] = f"Bearer {key}"

            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

                @calm
                @given(operation.as_strategy(generation_mode=mode))
                def holds(case):
                    asked.add(case.operation.label)
                    answer = case.call(session=client)
                    if answer.status_code >= 500 and not _known(answer):
                        faults.append((case.as_curl_command(), answer.status_code, answer.text))

                with suppress(Unsatisfiable):  # a route without parameters cannot be asked wrongly
                    holds()
    assert faults == []
    assert asked == {operation.label for operation in operations}


def _known(answer):
    """Without an upstream the proxy says so: that is its answer, and not a fault."""
    return answer.status_code == 503 and "UNSPOKEN_UPSTREAM_URL" in answer.text
