"""Attacks on the jail's walls. Each that gets out writes a file into @FOLDER@, or calls the listener of the test."""

from registry import attack, garbage

OUT = """
import contextlib, ctypes, glob, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
UID = os.getuid()  # 0 is root, who could undo the machine's own mounts: there these steps are left out
def call(number, *arguments):
    return libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
def mark(path="@FOLDER@"):
    '''The proof: a file where none should be.'''
    with contextlib.suppress(OSError):
        open(path + "/@TOKEN@-@NAME@", "w").close()
"""


@attack
def files_by_every_path():
    """The folders of the class, the reports and the repository, by name, by links, by /proc and by climbing."""
    return garbage(
        first=OUT
        + """
mark()
for path in ("@FOLDER@", "@CLASS@", "@OUT@", "@ROOT@/autograder", "@ROOT@/shared/handmade"):
    for root in ("", "/..", "/proc/self/root", "/proc/1/root", "/proc/self/cwd/../../../../../..", "../../../../../.."):
        mark(root + path)
with contextlib.suppress(OSError):
    os.symlink("@FOLDER@", "link")
    mark("link")
for folder in ("/", "/usr", "/etc", "/tmp", "/var/tmp", "/dev/shm", "/run", "/library", sys.prefix,
               os.path.expanduser("~")):
    if folder != "/tmp":
        mark(folder)
"""
    )


@attack
def hard_links_and_renames():
    """Files of others are linked, renamed, truncated or made older instead of being opened for writing."""
    return garbage(
        first=OUT
        + """
for path in ("@ROOT@/autograder/report.py", "@ROOT@/shared/handmade/attention.py"):
    with contextlib.suppress(OSError):
        os.utime(path, (12345, 12345))
for path in glob.glob("@CLASS@/*.ipynb")[:5] + ["@OUT@/gradebook.db", "@FOLDER@/canary.txt"]:
    for action in (lambda: os.link(path, "linked"), lambda: os.utime(path, (12345, 12345)),
                   lambda: os.chmod(path, 0o777),
                   lambda: os.rename(path, path + "@TOKEN@"), lambda: os.link(path, "@FOLDER@/@TOKEN@-link")):
        with contextlib.suppress(OSError):
            action()
"""
    )


@attack
def namespaces_again():
    """New user, mount, pid and network namespaces, in which one would be root again, and a mount over what is there."""
    return garbage(
        first=OUT
        + """
for flags in (0x10000000, 0x10020000, 0x7E020000, 0x40000000, 0x20000, 0x80):
    libc.unshare(flags)
    with contextlib.suppress(OSError):
        open("/proc/self/uid_map", "w").write("0 1000 1")
    if UID:
        libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)
        libc.mount(b"/", b"/tmp", None, 4096, None)
        mark("/tmp@FOLDER@")
mark()
"""
    )


@attack
def namespaces_of_others():
    """setns into the namespaces of the first process, of the parent, and of whatever a descriptor leads to."""
    return garbage(
        first=OUT
        + """
others = [os.path.basename(p) for p in glob.glob("/proc/[0-9]*")][:50]
for pid in ("1", str(os.getppid()), "self", *others):
    for kind in ("user", "mnt", "pid", "net"):
        with contextlib.suppress(OSError):
            libc.setns(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY), 0)
for pid in range(1, 60):
    descriptor = call(434, pid, 0)
    if descriptor >= 0:
        libc.setns(descriptor, 0x7E020000)
        for number in range(32):
            call(438, descriptor, number, 0)
mark()
"""
    )


@attack
def chroot_and_climb():
    """The classic: chroot into a folder while standing outside of it, and climb to the real root."""
    return garbage(
        first=OUT
        + """
with contextlib.suppress(OSError):
    os.makedirs("cell", exist_ok=True)
    outside = os.open("/", os.O_RDONLY)
    os.chroot("cell")
    os.fchdir(outside)
    for _ in range(64):
        os.chdir("..")
    os.chroot(".")
if UID:
    call(155, b".", b".")
    libc.umount2(b"/", 2)
    libc.umount2(b"/tmp", 2)
mark()
"""
    )


@attack
def descriptors_climbed():
    """From every open descriptor upwards, by openat, fchdir, /proc/self/fd and handles of files."""
    return garbage(
        first=OUT
        + """
for fd in range(256):
    for up in range(12):
        with contextlib.suppress(OSError):
            os.close(os.open("../" * up + "@FOLDER@/@TOKEN@-@NAME@".lstrip("/"), os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    with contextlib.suppress(OSError):
        os.fchdir(fd)
        mark("../../../../..@FOLDER@")
    mark(f"/proc/self/fd/{fd}/../../../../../..@FOLDER@")
# Inode 2 is the root of most file systems: its handle needs no path.
handle = ctypes.create_string_buffer(struct.pack("=IiII", 8, 1, 2, 0) + bytes(128))
for fd in range(32):
    opened = call(304, fd, handle, 0)
    if opened >= 0:
        with contextlib.suppress(OSError):
            os.close(os.open("@FOLDER@/@TOKEN@-@NAME@".lstrip("/"), os.O_CREAT | os.O_WRONLY, dir_fd=opened))
"""
    )


@attack
def other_numbering():
    """System calls by the numbers of other machines (x32, i386), which a filter may have forgotten."""
    return garbage(
        first=OUT
        + """
import mmap
for number in (57, 58, 59, 41, 165, 272, 101):
    call(number | 0x40000000, 0, 0, 0, 0)
# int 0x80 with eax = 2: fork, as a 32-bit program calls it.
with contextlib.suppress(Exception):
    page = mmap.mmap(-1, 4096, prot=7)
    page.write(b"\\xb8\\x02\\x00\\x00\\x00\\xcd\\x80\\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    child = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    if child == 0:
        mark()
        libc.prctl(15, b"@TOKEN@"[:15], 0, 0, 0)
        __import__("time").sleep(30)
        os._exit(0)
"""
    )


@attack
def clone_by_number():
    """Processes by the system call itself: clone without CLONE_THREAD, clone3, vfork, and threads that then exec."""
    return garbage(
        first=OUT
        + """
import threading
def survive(result):
    if result == 0:
        libc.prctl(15, b"@TOKEN@"[:15], 0, 0, 0)
        __import__("time").sleep(30)
        os._exit(0)
survive(call(56, 17, 0, 0, 0, 0))
survive(call(56, 0x100 | 17, 0, 0, 0, 0))
arguments = ctypes.create_string_buffer(struct.pack("=8Q", 0, 0, 0, 0, 17, 0, 0, 0))
survive(call(435, arguments, 64))
survive(call(57))
path = sys.executable.encode()
argv = (ctypes.c_char_p * 4)(b"python", b"-c", b"import time; time.sleep(30) # @TOKEN@", None)
thread = threading.Thread(target=lambda: (call(322, -100, path, argv, 0, 0), libc.execv(path, argv)))
thread.start()
"""
    )


@attack
def tracing_others():
    """ptrace, process_vm_writev, kcmp and /proc/PID/mem at the parent, the keeper and the nursery."""
    return garbage(
        first=OUT
        + """
for pid in {1, 2, os.getppid(), os.getppid() - 1, *range(2, 40)} - {os.getpid()}:
    if pid <= 0 or pid > 1000 and pid != os.getppid():
        continue
    call(101, 16, pid, 0, 0)
    call(101, 0x4206, pid, 0, 0)
    word = ctypes.create_string_buffer(8)
    vector = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(word), 8))
    call(310, pid, vector, 1, vector, 1, 0)
    with contextlib.suppress(OSError):
        open(f"/proc/{pid}/mem", "r+b").close()
        mark()
call(101, 0, 0, 0, 0)
"""
    )


@attack
def signals_to_others():
    """The parent, the keeper and everything that may be reached are sent signals that end them."""
    return garbage(
        first=OUT
        + """
import signal
# Only where processes are numbered anew, so that nothing is hit that the grader has not started.
if os.getpid() < 50:
    for target in (-1, 0, 1, os.getppid()):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            with contextlib.suppress(OSError):
                signal.signal(number, signal.SIG_IGN)
                os.kill(target, number)
with contextlib.suppress(OSError):
    os.kill(os.getppid(), signal.SIGTERM)
call(424, 0, 15, 0, 0)
call(129, os.getppid(), 15, ctypes.create_string_buffer(128))
call(200, os.getppid(), 15)
"""
    )


@attack
def the_parents_life():
    """The process ties itself loose from its keeper: no death signal, another session, another group."""
    return garbage(
        first=OUT
        + """
libc.prctl(1, 0, 0, 0, 0)
libc.prctl(4, 1, 0, 0, 0)
libc.prctl(36, 1, 0, 0, 0)
for action in (os.setsid, lambda: os.setpgid(0, 0), lambda: os.setpgid(0, os.getppid())):
    with contextlib.suppress(OSError):
        action()
libc.prctl(15, b"@TOKEN@"[:15], 0, 0, 0)
""",
        last="import time; time.sleep(60)",
    )


@attack
def sockets_to_the_listener():
    """TCP, UDP, raw and Unix sockets to a listener on this machine, by every address that means it."""
    return garbage(
        first=OUT
        + """
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1"),
                        (socket.AF_INET6, "::ffff:127.0.0.1")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        with contextlib.suppress(OSError):
            one = socket.socket(family, kind)
            one.settimeout(0.2)
            one.connect((address, @PORT@))
            one.send(b"@NAME@")
for name in ("@SOCKET@", "\\0@TOKEN@"):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with contextlib.suppress(OSError):
            one = socket.socket(socket.AF_UNIX, kind)
            one.connect(name)
            one.send(b"@NAME@")
for family in (16, 17, 38, 40):
    with contextlib.suppress(OSError):
        socket.socket(family, socket.SOCK_RAW)
import urllib.request
with contextlib.suppress(Exception):
    urllib.request.urlopen("http://127.0.0.1:@PORT@/@NAME@", timeout=0.2)
"""
    )


@attack
def datagrams_from_a_pair():
    """A socket pair is allowed, and a datagram socket can be sent elsewhere than to its partner."""
    return garbage(
        first=OUT
        + """
for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
    for name in ("@SOCKET@", "@SOCKET@-datagrams", "\\0@TOKEN@", "\\0@TOKEN@-datagrams"):
        with contextlib.suppress(OSError):
            one, other = socket.socketpair(socket.AF_UNIX, kind)
            one.setblocking(False)
            with contextlib.suppress(OSError):
                one.sendto(b"@NAME@", name)
            with contextlib.suppress(OSError):
                libc.connect(one.fileno(), struct.pack("=H", 0), 2)
                one.connect(name)
                one.send(b"@NAME@")
"""
    )


@attack
def the_channel_as_a_socket():
    """The worker's own channel is bound, listened on, reconnected, and asked who is at the other end."""
    return garbage(
        first=OUT
        + """
for fd in range(3, 64):
    with contextlib.suppress(OSError):
        if not __import__("stat").S_ISSOCK(os.fstat(fd).st_mode):
            continue
        one = socket.socket(fileno=os.dup(fd))
        pid, uid, gid = struct.unpack("3i", one.getsockopt(socket.SOL_SOCKET, 17, 12))
        with contextlib.suppress(OSError):
            one.connect("@SOCKET@")
        with contextlib.suppress(OSError):
            one.bind("\\0@TOKEN@-mine")
            one.listen()
        # SO_PEERPIDFD: a descriptor of the grader's process, without pidfd_open
        peer = one.getsockopt(socket.SOL_SOCKET, 77)
        call(424, peer, 15, 0, 0)
        call(438, peer, 0, 0)
        libc.setns(peer, 0x20000)
        mark()
"""
    )


@attack
def kernel_interfaces():
    """bpf, io_uring, userfaultfd, perf, keys, fanotify, quotas and the new mount calls, each by its number."""
    return garbage(
        first=OUT
        + """
buffer = ctypes.create_string_buffer(4096)
for number in (321, 425, 323, 298, 300, 428, 430, 432, 442, 447, 443, 179, 135, 163, 304, 303, 310, 240, 64, 68, 29):
    for arguments in ((0, buffer, 120), (8, buffer), (buffer, 0, 0)):
        call(number, *arguments)
# A key in the user's keyring would stay after this process.
key = call(248, b"user", b"@TOKEN@", b"x", 1, -4)
call(250, 0, -4, 0)
"""
    )


@attack
def landlock_undone():
    """The rules are installed anew, wider; privileges are asked back; a set-user-id program is looked for."""
    return garbage(
        first=OUT
        + """
rules = call(444, ctypes.create_string_buffer(struct.pack("=QQQ", (1 << 15) - 1, 0, 0)), 24, 0)
call(446, rules, 0)
libc.prctl(38, 0, 0, 0, 0)
libc.capset(struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", *[0xFFFFFFFF] * 6))
for action in (lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgroups([0]), lambda: os.seteuid(0)):
    with contextlib.suppress(OSError):
        action()
with contextlib.suppress(OSError):
    os.mknod("disk", 0o60666, os.makedev(8, 0))
    open("disk", "rb").read(512)
mark()
"""
    )
