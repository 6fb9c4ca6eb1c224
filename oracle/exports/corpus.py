"""Sentences to train small tokenizers and models on, made of a few words."""
import random

SUBJECTS = "the cat|a small dog|my sister|our teacher|the old ship|two children|le chat|la maison|un ami|el perro|mi madre|los niños|der Hund|das Mädchen|ein Vogel".split("|")
VERBS = "sees|finds|paints|follows|loves|carries|voit|trouve|aime|mira|busca|quiere|sieht|findet|trägt".split("|")
OBJECTS = "a red apple|the river|three books|snow on the hills|the long road|une pomme rouge|la rivière|trois livres|una manzana|el río|tres libros|den Fluss|drei Bücher|einen Apfel".split("|")
PLACES = "near the bridge|at night|in 1984|for 12.50 €|every morning|près du pont|cada mañana|jeden Morgen|at home|under the trees".split("|")

HARD = ["Hello, world!", "  two  spaces\tand a tab ", "naïve café “quoted” … ½ ﬁne", "日本語 と English", "emoji 👩‍👩‍👧 👍🏽 done", "a\nb\n\nc", "12,345.67 €5",
        "don't we'll I'm", "Привет, мир", "مرحبا", "e\u0301 vs é", "UPPER lower MiXeD", "x" * 40, "<s> </s> <pad> <unk>", "tab\tnew\r\nline"]


def sentences(seed, n=2000):
    pick = random.Random(seed).choice
    out = []
    for _ in range(n):
        s = " ".join([pick(SUBJECTS), pick(VERBS), pick(OBJECTS)] + ([pick(PLACES)] if pick((0, 1)) else []))
        out.append(s[0].upper() + s[1:] + pick((".", ".", "!", "?")))
    return out
