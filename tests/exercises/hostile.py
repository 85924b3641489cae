"""Answers to exercise 1 that misbehave, and what the one line about each must say."""

GOOD = """
import numpy as np
def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
"""
CALL = GOOD.replace("(z):\n", "(z):\n    {}\n")

HOSTILE = {
    "endless loop": (CALL.format("while True: pass"), "endless loop"),
    "endless loop on import": ("while True: pass\n" + GOOD, "endless loop"),
    "catches everything": (
        CALL.format("while True:\n        try:\n            1/0\n        except BaseException: pass"),
        "endless loop",
    ),
    "sys.exit": ("import sys\n" + CALL.format("sys.exit(0)"), "sys.exit"),
    "os._exit": ("import os\n" + CALL.format("os._exit(0)"), "ended by itself"),
    "exit on import": ("raise SystemExit\n", "sys.exit"),
    "crash": (CALL.format("import faulthandler; faulthandler._sigsegv()"), "crashed"),
    "print flood": (CALL.format("\n    while True: print('x' * 1000)"), "prints without end"),
    "patched numpy": ("import numpy as np\nnp.allclose = lambda *a: True\n" + GOOD, "replaces np.allclose"),
    "patched numpy in a call": (CALL.format("np.exp = np.sin"), "replaces np.exp"),
    "patched builtins": ("import builtins\nbuiltins.abs = lambda x: 0\n" + GOOD, "replaces abs"),
    "recursion": ("def softmax(z):\n    return softmax(z)\n", "RecursionError"),
    "memory": (CALL.format("np.ones((1 << 20, 1 << 16))"), "MemoryError"),
    "syntax": ("def softmax(z)\n    return z\n", "SyntaxError (line 1)"),
    "import torch": ("import torch\n" + GOOD, "not torch"),
    "import scipy": (CALL.format("from scipy.special import softmax"), "not scipy"),
    "import minnet": ("from minnet.functional import softmax\n", "not minnet"),
    "import sklearn": ("import sklearn\n", "not sklearn"),
    "import the grader": ("import __main__\n" + GOOD, "not __main__"),
    "import the solutions": ("from tutorials.exercises.solutions.e01_softmax import softmax\n", "not tutorials"),
    "import the process": ("from tutorials.exercises.messages import pack\n", "not tutorials"),
    "given holds no softmax yet": ("from given import softmax\n", "cannot import name 'softmax'"),
    "subprocess": ("import subprocess\n" + CALL.format("subprocess.run(['true'])"), "refused here"),
    "os.system": ("import os\n" + CALL.format("os.system('true')"), "refused here"),
    "fork": ("import os\n" + CALL.format("os.fork()"), "refused here"),
    "network": ("import socket\n" + CALL.format("socket.socket()"), "refused here"),
    "writes elsewhere": (CALL.format("open('/tmp/written-by-an-answer', 'w')"), "refused here"),
    "reads the solutions": (CALL.format(f"open({__file__!r})"), "refused here: reading"),
    "lists folders": ("import os\n" + CALL.format("os.listdir('/')"), "refused here"),
    "scans folders": ("import os\n" + CALL.format("os.scandir('/')"), "refused here"),
    "opens by number": (CALL.format("open(0)"), "refused here: opening a file by number"),
    "a file without end": (CALL.format("open('notes', 'wb').write(bytes(2 << 20))"), "File too large"),
    "a program, as Windows starts them": (CALL.format("import sys; sys.audit('os.startfile', 'x')"), "refused here"),
    "moves away": (
        CALL.format("import os; open('a', 'w').close(); os.rename('a', '/tmp/written-by-an-answer')"),
        "refused here",
    ),
    "links to elsewhere": (
        CALL.format("import os; os.symlink('a', '/tmp/written-by-an-answer')"),
        "refused here",
    ),
    "deletes by number": (
        CALL.format("import os; os.rmdir('a', dir_fd=os.open(os.path.dirname(os.__file__), os.O_RDONLY))"),
        "refused here",
    ),
    "deletes": ("import os\n" + CALL.format("os.remove('/tmp/whatever')"), "refused here"),
    "loads a library": (CALL.format("import ctypes; ctypes.CDLL(None)"), "refused here"),
    "returns an object": ("def softmax(z):\n    return object()\n", "a object was returned"),
    "returns objects in an array": (
        "import numpy as np\ndef softmax(z):\n    return np.array([None, z], dtype=object)\n",
        "an array of object",
    ),
    "returns nothing": ("def softmax(z):\n    pass\n", "None (is a return missing?) instead of numbers"),
    "another name": ("def Softmax(z):\n    return z\n", "it defines no softmax: is it called Softmax?"),
    "no name like it": ("def f(z):\n    return z\n", "it defines no softmax"),
    "asks for input": (GOOD + "n = input('how many? ')\n", "EOFError (line 6): input() gets nothing here"),
    "huge answer": (
        "import numpy as np\ndef softmax(z):\n    return np.ones(1 << 24, np.uint8).repeat(5)\n",
        "cannot be read",
    ),
    "huge error": ("def softmax(z):\n    raise ValueError('x' * 10**7)\n", "ValueError"),
    "generator": ("def softmax(z):\n    yield z\n", "a generator was returned"),
}
SLOW = ("endless loop on import", "catches everything")  # two seconds each, as an endless loop anywhere has
