"""How the supervisor's children begin: the monkey patch before anything else is imported, then the role."""
import gc
import os
import sys


def run_role(options, extensions):
    """Runs "control" or "worker" and does not return. `extensions`: gives the table of extensions."""
    patch()                                          # before anybody imports socket: filters block their greenlet only
    from gmosn.server.signals import leave_signals_to_supervisor
    leave_signals_to_supervisor()
    from gmosn.server.channel import Channel
    channel = Channel.from_fd(options.channel_fd)
    code = 1
    try:
        if options.role == "worker":
            from gmosn.server.worker import Worker
            code = Worker(options, channel, extensions).run()
        else:
            from gmosn.server.control import Control
            code = Control(options, channel, extensions).run()
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)                               # tearing the interpreter down takes 50 ms and nothing needs it


def patch():
    """monkey.patch_all() without asking all installed packages for gevent plug-ins: it would do so 25 times, which is
    three quarters of its time."""
    from gevent import events, monkey
    asking = events.notify_and_call_entry_points
    events.notify_and_call_entry_points = events.notify
    try:
        monkey.patch_all()
    finally:
        events.notify_and_call_entry_points = asking


def settle_memory():
    """After the configuration is built: what lives now lives long, so the collector need not look at it again. It
    was switched off until now (cli.py)."""
    gc.collect()
    gc.freeze()
    gc.enable()
