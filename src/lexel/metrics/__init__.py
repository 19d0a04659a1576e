"""Scores predictions against gold words, tags and entities, with intervals; pure numpy, independent of models.

Counts are per document and computed for many documents at once, as flat arrays. So the score of any set of documents
(all of them, long ones, a bootstrap sample) is a function of sums of counts.
"""
