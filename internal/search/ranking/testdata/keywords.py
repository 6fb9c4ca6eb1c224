"""Writes keywords.tsv: the keyword of each emoji that the figures in the card of sticker-mini are of, drawn as they were drawn there.

    python3 keywords.py stickers.tsv > keywords.tsv      (Python 3.11; `random` gives the same with any later one)
"""
import csv, random, sys

rng = random.Random(5)
with open(sys.argv[1], encoding="utf-8") as f:
    for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
        tags = [t for t in row["tags_en"].split("|") if t]
        others = [t for t in tags if t.lower() != row["label_en"].lower()]
        print(row["id"], rng.choice(others or tags or [None]) or "", sep="\t")
