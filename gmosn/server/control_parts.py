"""What runs inside control besides the generations: DNS and the admin."""
import os

import gevent

from gmosn.config.unpack import unpack
from gmosn.filter.access_log.files import AccessLogFiles
from gmosn.io.wheel import Wheel
from gmosn.registry import ExtensionRegistry, FactoryContext
from gmosn.upstream.clusters import Clusters
from gmosn.upstream.options import discovery_kind


def control_context(control):
    """The FactoryContext for what control itself runs."""
    context = FactoryContext(
        extensions=ExtensionRegistry(control.extensions()), stats=control.stats, wheel=Wheel(gevent.get_hub().loop),
        options=control.options, bootstrap=control.bootstrap, server=control.state, unpack=unpack,
        access_logs=AccessLogFiles.from_options(control.options, control.stats))
    context.clusters = Clusters(context)
    return context


def start_dns(clusters, context, publish, log):
    """A running DnsUpdater, or None when no cluster needs one (the resolver costs 10 MiB)."""
    if all(discovery_kind(proto, context) == "static" for proto in clusters):
        return None
    from gmosn.upstream.dns import DnsUpdater
    updater = DnsUpdater(context, publish, context.stats, log=lambda text: log.warning("%s", text))
    updater.set_clusters(clusters)
    return updater


def start_admin(control, fd):
    """Serves the admin on the listening socket `fd`; writes --admin-address-path. Returns the AdminListener.

    Its pages are imported here, while the workers build what they were sent, and not before that."""
    from gmosn.server.admin.admin import Admin
    from gmosn.server.admin.listening import AdminListener
    from gmosn.server.control_backend import ControlBackend
    admin = AdminListener(Admin(ControlBackend(control), os.getpid()), control.context)
    admin.serve(fd)
    gevent.spawn(control.context.access_logs.flush_forever).name = "access log flusher"
    return admin
