import pickle

from pixmill.images import Undecodable


def test_it_says_why_also_in_another_process() -> None:
    error = pickle.loads(pickle.dumps(Undecodable("broken", "no end")))
    assert (error.reason, error.detail, str(error)) == ("broken", "no end", "broken: no end")
    assert str(Undecodable("empty")) == "empty"
