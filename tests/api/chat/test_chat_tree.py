"""Where a request stands in the tree: told by name, or found from its history."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from .upstream import completion

SYSTEM = {"role": "system", "content": "Be brief."}


class Chat:
    """A client that sends its whole history each time, as all do."""

    def __init__(self, http, upstream, **fields):
        self.http, self.upstream, self.fields = http, upstream, fields
        self.history = []

    def say(self, *messages, answer="", headers=None, **fields):
        """The ids of (conversation, answer); `answer` is what the model says."""
        self.history += [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
        self.upstream.replies.append(completion(answer))
        body = {"model": "m-1", "messages": self.history, **self.fields, **fields}
        got = self.http.post("/v1/chat/completions", json=body, headers=headers)
        assert got.status_code == 200, got.text
        self.history = [*self.history, got.json()["choices"][0]["message"]]
        return got.headers["x-unspoken-conversation"], got.headers["x-unspoken-message"]

    def back(self, to):
        """The history as it was at that length."""
        self.history = self.history[:to]
        return self


def roles_and_texts(tree):
    return sorted((message.role, message.text) for message in tree.messages())


@pytest.mark.parametrize("fields", [{}, {"user": "ann"}, {"metadata": {"unspoken_conversation": "c9"}}])
def test_the_next_turn_lands_under_the_answer_before_it(http, upstream, tree, fields):
    chat = Chat(http, upstream, **fields)
    first, _ = chat.say(SYSTEM, "Hi!", answer="Hello.")
    second, _ = chat.say("And now?", answer="Now this.")
    third, last = chat.say("Thanks", answer="Welcome.")
    assert first == second == third
    assert tree.path(last) == [
        ("system", "Be brief."), ("user", "Hi!"), ("assistant", "Hello."), ("user", "And now?"),
        ("assistant", "Now this."), ("user", "Thanks"), ("assistant", "Welcome."),
    ]  # fmt: skip
    assert len(tree.messages()) == 7
    assert len({message.conversation for message in tree.messages()}) == 1


@pytest.mark.parametrize("fields", [{}, {"user": "ann"}])
def test_the_same_history_again_is_a_sibling(http, upstream, tree, fields):
    chat = Chat(http, upstream, **fields)
    chat.say("Hi!", answer="Hello.")
    _, one = chat.say("Tell me more", answer="More.")
    _, two = chat.back(3).say(answer="Much more.")
    assert tree.message(one).parent == tree.message(two).parent
    assert len(tree.messages()) == 5
    _, after = chat.say("Good", answer="Fine.")
    assert tree.path(after)[3] == ("assistant", "Much more.")


def test_an_edited_prompt_is_a_new_message_beside_the_old_one(http, upstream, tree):
    chat = Chat(http, upstream)
    chat.say("Hi!", answer="Hello.")
    one, _ = chat.say("Tell me more", answer="More.")
    two, _ = chat.back(2).say("Tell me less", answer="Less.")
    prompts = [message for message in tree.messages() if message.text.startswith("Tell me")]
    assert one == two
    assert len({message.parent for message in prompts}) == 1
    assert len(prompts) == 2


def test_a_user_who_opens_alike_again_regenerates_and_two_strangers_do_not_meet(http, upstream, tree):
    conversations = {}
    for name, fields in (("ann", {"user": "ann"}), ("ben", {"safety_identifier": "ben"}), ("nobody", {})):
        conversations[name] = [Chat(http, upstream, **fields).say("Hi!", answer="Hello.")[0] for _ in range(2)]
    assert conversations["ann"][0] == conversations["ann"][1]
    assert conversations["ben"][0] == conversations["ben"][1]
    assert conversations["nobody"][0] != conversations["nobody"][1]
    assert len({one for both in conversations.values() for one in both}) == 4
    assert roles_and_texts(tree) == [("assistant", "Hello.")] * 6 + [("user", "Hi!")] * 4


def test_the_same_answer_twice_is_two_siblings(http, upstream, tree):
    chat = Chat(http, upstream, user="ann")
    _, one = chat.say("Hi!", answer="Hello.")
    _, two = chat.back(1).say(answer="Hello.")
    assert one != two
    assert tree.message(one).parent == tree.message(two).parent
    assert len(tree.events("message")) == 3


def test_examples_and_greetings_in_front_do_not_join_chats(http, upstream, tree):
    greeting = {"role": "assistant", "content": "How can I help?"}
    for fields in ({}, {"user": "ann"}):
        conversations = set()
        for opening in ("Hi!", "What is basil?"):
            chat = Chat(http, upstream, **fields)
            conversation, _ = chat.say(greeting, opening, answer="Well.")
            again, last = chat.say("Go on", answer="So.")
            assert conversation == again
            assert [text for _, text in tree.path(last)] == ["How can I help?", opening, "Well.", "Go on", "So."]
            conversations.add(conversation)
        assert len(conversations) == 2
    origins = [event.fields["meta"] for event in tree.events("message") if event.fields.get("meta")]
    assert origins == [{"origin": "history"}] * 4


def test_a_system_message_that_changes_parts_no_chat(http, upstream, tree):
    chat = Chat(http, upstream)
    first, _ = chat.say({"role": "developer", "content": "It is noon."}, "Hi!", answer="Hello.")
    chat.history[0] = {"role": "developer", "content": "It is one o'clock."}
    second, last = chat.say("Time?", answer="One.")
    assert first == second
    assert tree.path(last)[0] == ("system", "It is noon.")
    assert ("system", "It is one o'clock.") in roles_and_texts(tree)
    chat.back(3).say(answer="One, I said.")
    assert len(tree.messages()) == 7


def test_clients_may_trim_what_they_were_told(http, upstream, tree):
    chat = Chat(http, upstream)
    first, _ = chat.say("Hi!", answer="  Hello.\n\n")
    chat.history[-1] = {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]}
    assert chat.say("And?", answer="So.")[0] == first


def test_who_and_where_may_be_said_in_metadata_or_in_headers(http, upstream, tree):
    metadata = {
        "unspoken_user": "ann", "unspoken_conversation": "c9", "unspoken_prompt": "p1", "unspoken_session": "s1",
        "unspoken_arm": '{"policy": "b"}', "unspoken_consent": "2026-10:training", "theirs": "kept",
    }  # fmt: skip
    _, one = Chat(http, upstream).say("Hi!", answer="Hello.", metadata=metadata, user="somebody")
    headers = {"X-Unspoken-User": "ann", "X-Unspoken-Parent": one, "X-Unspoken-Conversation": "c9"}
    _, two = Chat(http, upstream).say("More", answer="This.", headers=headers)
    assert tree.path(two) == [("user", "Hi!"), ("assistant", "Hello."), ("user", "More"), ("assistant", "This.")]
    assert {message.conversation for message in tree.messages()} == {"c9"}
    assert tree.message(one).parent == "p1"
    assert len({message.user for message in tree.messages() if message.role == "user"}) == 1
    first = next(event for event in tree.events("message") if event.message == "p1")
    assert (first.session, first.arm, first.consent) == ("s1", {"policy": "b"}, "2026-10:training")
    assert upstream.asked[0].body["metadata"] == {"theirs": "kept"}
    assert not [name for name in upstream.asked[1].headers if "unspoken" in name]


def test_metadata_that_was_for_us_alone_does_not_reach_the_upstream(http, upstream):
    Chat(http, upstream).say("Hi!", metadata={"unspoken_user": "ann"})
    assert "metadata" not in upstream.asked[0].body


def test_a_parent_alone_tells_the_conversation_and_an_unknown_one_is_refused(http, upstream, tree):
    first, one = Chat(http, upstream).say("Hi!", answer="Hello.")
    again, _ = Chat(http, upstream).say("More", answer="This.", headers={"X-Unspoken-Parent": one})
    assert first == again
    body = {"messages": [{"role": "user", "content": "x"}], "metadata": {"unspoken_parent": "nobody"}}
    refused = http.post("/v1/chat/completions", json=body)
    assert refused.status_code == 404
    assert "name its conversation" in refused.json()["detail"]


def test_a_prompt_that_was_logged_already_is_not_logged_again_and_another_text_conflicts(http, upstream, tree):
    fields = {"metadata": {"unspoken_conversation": "c9", "unspoken_prompt": "p1"}}
    Chat(http, upstream, **fields).say("Hi!", answer="Hello.")
    Chat(http, upstream, **fields).say("Hi!", answer="Hallo.")
    assert roles_and_texts(tree) == [("assistant", "Hallo."), ("assistant", "Hello."), ("user", "Hi!")]
    body = {"messages": [{"role": "user", "content": "Bye!"}], **fields}
    refused = http.post("/v1/chat/completions", json=body)
    assert refused.status_code == 409
    assert "unspoken_prompt" in refused.json()["detail"]


def test_the_same_request_ten_times_at_once_has_one_prompt_and_ten_answers(http, upstream, tree):
    upstream.replies += [completion(f"answer {n}") for n in range(10)]
    body = {"messages": [SYSTEM, {"role": "user", "content": "Hi!"}], "user": "ann"}
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: http.post("/v1/chat/completions", json=body), range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["x-unspoken-conversation"] for answer in answers}) == 1
    expected = [("assistant", f"answer {n}") for n in range(10)] + [("system", "Be brief."), ("user", "Hi!")]
    assert roles_and_texts(tree) == expected


def test_a_chat_goes_on_in_another_process_and_not_in_another_project(engine, http, upstream, serve, tree):
    from unspoken.store import keys, projects
    from unspoken.store.database import transaction

    chat = Chat(http, upstream)
    first, _ = chat.say("Hi!", answer="Hello.")
    with transaction(engine) as session:
        other = projects.create(session, "other")
        _, key = keys.create(session, other.id, "secret")
    with serve(engine) as elsewhere:
        address = f"{elsewhere.url}/v1/chat/completions"
        body = {"messages": [*chat.history, {"role": "user", "content": "More"}]}
        headers = http.headers.copy()
        import httpx

        with httpx.Client(trust_env=False, timeout=120) as client:
            same = client.post(address, json=body, headers=headers)
            headers["Authorization"] = f"Bearer {key}"
            foreign = client.post(address, json=body, headers=headers)
    assert same.headers["x-unspoken-conversation"] == first
    assert foreign.headers["x-unspoken-conversation"] != first
