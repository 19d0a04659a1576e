"""How good predictions are: words, tags and entities against gold, with intervals; pure numpy, and nothing of models.

Everything is counted for many documents at once, as flat arrays, and per document, so that a score of any set of
documents (all of them, long ones, a bootstrap sample) is a function of sums of counts.
"""
