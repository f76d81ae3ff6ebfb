"""What several field types share: texts, exact numbers, choices, ids. Field types import from here and from ``base``, never from each other."""
