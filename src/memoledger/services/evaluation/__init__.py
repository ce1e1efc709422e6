"""Evaluation: how much of what should be found is found, measured on a folder of questions."""
