"""Tables and folders of pictures as people have them, for the tests of their readers."""

import csv
import io

from PIL import Image


def table(rows=30, header=("id", "review", "mood"), labels=("bad", "fine", "great"), **settings):
    """A CSV as the csv module writes it with these settings; its texts hold quotes, delimiters and line breaks."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, **settings)
    writer.writerow(header)
    writer.writerows(
        [index, f'text {index}, "quoted"; a\ttab\nand lines', labels[index % len(labels)]] for index in range(rows)
    )
    return stream.getvalue()


def written(folder, content, encoding="utf-8"):
    """The content as a file reviews.csv in a folder."""
    path = folder / "reviews.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def everything(dataset):
    """All examples of a dataset as a set of (text, class)."""
    return {
        (text, dataset.classes[label])
        for split in dataset.splits().values()
        for text, label in zip(split.x, split.y, strict=True)
    }


def gallery(folder, sizes=((40, 30), (20, 50)), kinds=("cat", "dog"), count=10, mode="RGB"):
    """Pictures by class: cats are dark, dogs are light."""
    for label, kind in enumerate(kinds):
        (folder / kind).mkdir(parents=True)
        for index in range(count):
            shade = 40 + 160 * label + index
            Image.new("L", sizes[index % len(sizes)], shade).convert(mode).save(folder / kind / f"{index}.png")
    return folder
