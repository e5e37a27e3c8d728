import numpy as np

from evals import question_map
from evals.question_map import Pairs, recall_at_5, train


def test_training_moves_questions_to_their_passages_also_those_not_seen(monkeypatch):
    monkeypatch.setattr(question_map, "EPOCHS", 60)
    monkeypatch.setattr(question_map, "PENALTY", 0.0)
    monkeypatch.setattr(question_map, "LEARNING_RATE", 0.05)
    rng = np.random.default_rng(0)
    passages = rng.standard_normal((200, 16)).astype(np.float32)
    passages /= np.linalg.norm(passages, axis=1, keepdims=True)
    turned = np.roll(passages, 1, axis=1)
    right = [[at] for at in range(200)]
    pairs = Pairs("turned", turned, passages, right, [str(at) for at in range(200)])
    first, held_out = pairs.halves()
    assert not set(first) & set(held_out)
    matrix = train([pairs], {"turned": first})
    assert recall_at_5(pairs, held_out, matrix) > recall_at_5(pairs, held_out, None) + 0.3


def test_a_question_is_compared_with_the_passages_it_is_asked_of():
    passages = np.eye(8, dtype=np.float32)
    pairs = Pairs("own", passages[:1], passages, [[7]], ["a"], among=[[1, 2, 3, 4, 6, 7]])
    assert pairs.asked_of([0]).sum() == 6
    assert pairs.scores([0], passages[:1])[0, 0] == -1


def test_what_words_find_is_not_learnt_again(monkeypatch):
    """Of two kinds of questions, words lead to the passages of one: with them the other is learnt better."""
    monkeypatch.setattr(question_map, "EPOCHS", 30)
    monkeypatch.setattr(question_map, "LEARNING_RATE", 0.02)
    rng = np.random.default_rng(1)
    passages = rng.standard_normal((160, 16)).astype(np.float32)
    passages /= np.linalg.norm(passages, axis=1, keepdims=True)
    asked = np.roll(passages, 1, axis=1)
    asked[::2] = np.roll(passages[::2], 5, axis=1)
    words = np.zeros((160, 160), dtype=np.float32)
    words[range(0, 160, 2), range(0, 160, 2)] = 1
    vectors = Pairs("both", asked, passages, [[at] for at in range(160)], [str(at) for at in range(160)])
    both = Pairs("both", asked, passages, vectors.right, vectors.groups, words=words)
    odd = range(1, 160, 2)
    alone, together = (train([pairs], {"both": range(160)}) for pairs in (vectors, both))
    assert recall_at_5(both, odd, together) > recall_at_5(both, odd, alone)
