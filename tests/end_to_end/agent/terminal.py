"""Runs the command of the arguments in a new terminal, and types what a person would type."""

import os, pty, re, select, sys, time

child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])

seen = ""


def expect(pattern, seconds=20):
    global seen
    end = time.time() + seconds
    while not re.search(pattern, seen):
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.time()))
        if not ready:
            sys.exit(f"not seen: {pattern}\n{seen}")
        try:
            seen += os.read(terminal, 4096).decode(errors="replace")
        except OSError:
            sys.exit(f"ended before: {pattern}\n{seen}")
    seen = seen[re.search(pattern, seen).end() :]


def type_(text):
    os.write(terminal, text.encode())


expect("=> ")
type_("select 'asleep' from pg_sleep(0); select pg_sleep(60);\n")
expect("asleep\r?\n")
time.sleep(0.5)
start = time.time()
type_("\x03")
expect("canceling statement due to user request")
print(f"cancelled after {time.time() - start:.2f} s")
assert time.time() - start < 2
expect("=> ")
type_("select 6 * 7 as answer;\n")
expect("42")
print("the session goes on")
type_("\\q\n")
print("ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
