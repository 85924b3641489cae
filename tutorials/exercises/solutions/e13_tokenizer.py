import re

# A word is letters or digits, with single ' or - between them: the group can repeat, but must end in letters again.
TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|[!?]+")


def tokenize(text):
    return TOKEN.findall(text.lower())


def token_ids(texts, vocabulary, length):
    index = {token: position for position, token in enumerate(vocabulary, 2)}  # 0 is padding, 1 unknown
    rows = []
    for text in texts:
        ids = [index.get(token, 1) for token in tokenize(text)][:length]
        rows.append(ids + [0] * (length - len(ids)))
    return rows
