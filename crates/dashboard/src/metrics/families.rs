//! The families of figures of the server itself. docs/book/admin.md has a row for each.

use super::{Family, Kind, Samples, seconds};
use control::{
    Counter,
    counters::{PAGES_BYTES, Protocol},
    status::{Status, Worker},
    tally::Counts,
};

/// All of them but the ones of [`Counter`].
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "gannet_build",
        kind: Kind::Gauge,
        help: "The version of the program; always 1.",
        put: |status, out| out.gauge(&[("version", &status.version)], 1),
    },
    Family {
        name: "gannet_uptime_seconds",
        kind: Kind::Gauge,
        help: "Seconds since the server was started; an upgrade does not begin them anew.",
        put: |status, out| out.gauge(&[], status.seconds),
    },
    Family {
        name: "gannet_site_requests",
        kind: Kind::Counter,
        help: "Requests answered, by site, route and class of status.",
        put: |status, out| {
            each_route(status, |labels, counts| {
                // The first of a class is seen to be one more only where there was none before.
                let is_usual = |at: usize, count: u64| at > 0 || count > 0;
                let classes = counts.classes.iter().enumerate();
                for (at, count) in classes.filter(|(at, count)| is_usual(*at, **count)) {
                    let class = format!("{}xx", at + 1);
                    let [site, route] = labels;
                    out.count(&[site, route, ("class", &class)], count);
                }
            });
        },
    },
    Family {
        name: "gannet_site_sent_bytes",
        kind: Kind::Counter,
        help: "Bytes of content sent, by site and route.",
        put: |status, out| each_route(status, |labels, counts| out.count(&labels, counts.bytes)),
    },
    Family {
        name: "gannet_site_limited",
        kind: Kind::Counter,
        help: "Requests beyond a limit, by site, route and what the limit said of them.",
        put: |status, out| {
            each_route(status, |[site, route], counts| {
                let verdicts = ["refused", "on trial"].into_iter().zip(counts.limits);
                for (verdict, count) in verdicts.filter(|(_, count)| *count > 0) {
                    out.count(&[site, route, ("verdict", verdict)], count);
                }
            });
        },
    },
    Family {
        name: "gannet_site_requests_under_way",
        kind: Kind::Gauge,
        help: "Requests that wait for something, by site and route.",
        put: |status, out| {
            each_route(status, |labels, counts| out.gauge(&labels, counts.under_way))
        },
    },
    Family {
        name: "gannet_first_byte_seconds",
        kind: Kind::Histogram,
        help: "Time from a request to the first byte of its answer, by site and route.",
        put: |status, out| {
            each_route(status, |labels, counts| {
                out.latency(&labels, &counts.times.to_first_byte());
            });
        },
    },
    Family {
        name: "gannet_response_seconds",
        kind: Kind::Histogram,
        help: "Time from a request to the last byte of its answer, by site and route.",
        put: |status, out| {
            each_route(status, |labels, counts| out.latency(&labels, &counts.times.to_end()));
        },
    },
    Family {
        name: "gannet_open_connections",
        kind: Kind::Gauge,
        help: "Connections that are open, by what the generation of their worker does.",
        put: |status, out| each_phase(status, out, |worker| worker.connections),
    },
    Family {
        name: "gannet_protocol_connections",
        kind: Kind::Gauge,
        help: "Connections that are open, by what is spoken on them, with TLS or without.",
        put: |status, out| {
            for (at, protocol) in Protocol::ALL.into_iter().enumerate() {
                let (name, is_secure) = protocol.words();
                let labels = [("protocol", name), ("tls", if is_secure { "yes" } else { "no" })];
                let workers = status.generations.iter().flat_map(|one| &one.workers);
                let counts = workers.filter_map(|worker| worker.protocols.get(at));
                out.gauge(&labels, counts.sum::<u64>());
            }
        },
    },
    Family {
        name: "gannet_sockets",
        kind: Kind::Gauge,
        help: "Sockets at the addresses of the server as the kernel has them, by state.",
        put: |status, out| {
            for (state, count) in status.sockets.iter().flatten() {
                out.gauge(&[("state", state)], count);
            }
        },
    },
    Family {
        name: "gannet_requests_under_way",
        kind: Kind::Gauge,
        help: "Requests that wait for something: a disk, an application, a slow client.",
        put: |status, out| each_phase(status, out, |worker| worker.under_way),
    },
    Family {
        name: "gannet_workers",
        kind: Kind::Gauge,
        help: "Worker processes, by what their generation does.",
        put: |status, out| each_phase(status, out, |_| 1),
    },
    Family {
        name: "gannet_generation",
        kind: Kind::Gauge,
        help: "The number of the newest generation; each config that is loaded has one more.",
        put: |status, out| {
            let newest = status.generations.last().map_or(0, |newest| newest.number);
            out.gauge(&[], newest);
        },
    },
    Family {
        name: "gannet_worker_cpu_seconds",
        kind: Kind::Counter,
        help: "Processor time that each worker process has used.",
        put: |status, out| {
            each_worker(status, |pid, worker| {
                let used = worker.used.into_iter();
                used.for_each(|used| out.count(&[("pid", pid)], seconds(used.cpu_us)));
            });
        },
    },
    Family {
        name: "gannet_worker_memory_bytes",
        kind: Kind::Gauge,
        help: "Memory that each worker process has.",
        put: |status, out| {
            each_worker(status, |pid, worker| {
                let used = worker.used.into_iter();
                used.for_each(|used| out.gauge(&[("pid", pid)], used.memory_bytes));
            });
        },
    },
    Family {
        name: "gannet_loop_requests",
        kind: Kind::Counter,
        help: "Requests answered by each event loop of each worker.",
        put: |status, out| {
            each_worker(status, |pid, worker| {
                for (at, one) in worker.loops.iter().enumerate() {
                    out.count(&[("pid", pid), ("loop", &at.to_string())], one.requests);
                }
            });
        },
    },
    Family {
        name: "gannet_loop_lag_seconds",
        kind: Kind::Counter,
        help: "Time that event loops came late to look for what is due, all together.",
        put: |status, out| {
            let label = Counter::LagUs.label();
            let found = status.counted.iter().find(|(name, _)| name == label);
            out.count(&[], seconds(found.map_or(0, |(_, us)| *us)));
        },
    },
    Family {
        name: "gannet_pages_bytes",
        kind: Kind::Gauge,
        help: "Memory that the pages take which loops have in memory.",
        put: |status, out| {
            let found = status.counted.iter().find(|(name, _)| name == PAGES_BYTES);
            found.into_iter().for_each(|(_, bytes)| out.gauge(&[], bytes));
        },
    },
    Family {
        name: "gannet_listener_connections",
        kind: Kind::Counter,
        help: "Connections accepted, by address.",
        put: |status, out| {
            for one in &status.listeners {
                out.count(&[("address", &one.address)], one.accepted);
            }
        },
    },
    Family {
        name: "gannet_accept_queue",
        kind: Kind::Gauge,
        help: "Connections that wait to be accepted, by address.",
        put: |status, out| {
            for one in &status.listeners {
                out.gauge(&[("address", &one.address)], one.waiting);
            }
        },
    },
    Family {
        name: "gannet_accept_queue_max",
        kind: Kind::Gauge,
        help: "Connections that may wait at all sockets of an address.",
        put: |status, out| {
            for one in &status.listeners {
                out.gauge(&[("address", &one.address)], one.waiting_max);
            }
        },
    },
    Family {
        name: "gannet_accept_overflows",
        kind: Kind::Counter,
        help: "Times that a connection found no room in an accept queue of this machine.",
        put: |status, out| status.overflows.into_iter().for_each(|count| out.count(&[], count)),
    },
    Family {
        name: "gannet_accept_drops",
        kind: Kind::Counter,
        help: "Connections dropped before they could be accepted, on this machine.",
        put: |status, out| status.drops.into_iter().for_each(|count| out.count(&[], count)),
    },
    Family {
        name: "gannet_restarts",
        kind: Kind::Counter,
        help: "Workers that were started in the place of one that had died.",
        put: |status, out| out.count(&[], status.restarts),
    },
    Family {
        name: "gannet_requests_cut_off",
        kind: Kind::Counter,
        help: "Requests that a worker was at when it died, as far as they are known.",
        put: |status, out| out.count(&[], status.cut_off),
    },
    Family {
        name: "gannet_reloads",
        kind: Kind::Counter,
        help: "Reloads, by what came of them.",
        put: |status, out| {
            out.count(&[("outcome", "done")], status.reloads);
            out.count(&[("outcome", "failed")], status.reloads_failed);
        },
    },
    Family {
        name: "gannet_last_reload_failed",
        kind: Kind::Gauge,
        help: "Whether the last reload has failed: 1 or 0.",
        put: |status, out| {
            let has_failed = status.reload.as_ref().is_some_and(|reload| reload.fault.is_some());
            out.gauge(&[], u8::from(has_failed));
        },
    },
    Family {
        name: "gannet_certificate_end_seconds",
        kind: Kind::Gauge,
        help: "When each certificate ends, in seconds since 1970.",
        put: |status, out| {
            for one in &status.certificates {
                one.until.into_iter().for_each(|end| out.gauge(&[("file", &one.file)], end));
            }
        },
    },
    Family {
        name: "gannet_certificate_warning",
        kind: Kind::Gauge,
        help: "Whether there is something to be said of a certificate, as of its end: 1 or 0.",
        put: |status, out| {
            for one in &status.certificates {
                out.gauge(&[("file", &one.file)], u8::from(one.warning.is_some()));
            }
        },
    },
    Family {
        name: "gannet_certificate_failed",
        kind: Kind::Gauge,
        help: "Whether what is in the file is not used, or no certificate could be had: 1 or 0.",
        put: |status, out| {
            for one in &status.certificates {
                out.gauge(&[("file", &one.file)], u8::from(one.error.is_some()));
            }
        },
    },
];

/// The figures of all routes that have had requests, or are at their first.
fn each_route(status: &Status, mut put: impl FnMut([(&str, &str); 2], &Counts)) {
    for site in &status.sites {
        let has_any = |counts: &Counts| counts.requests() + counts.under_way > 0;
        for (route, counts) in site.routes.iter().filter(|(_, counts)| has_any(counts)) {
            put([("site", &site.name), ("route", route)], counts);
        }
    }
}

/// The sum of the workers of each phase.
fn each_phase(status: &Status, out: &mut Samples<'_>, value: impl Fn(&Worker) -> u64) {
    for phase in ["starting", "serving", "draining"] {
        let generations = status.generations.iter().filter(|one| one.phase == phase);
        let sum: u64 = generations.flat_map(|one| &one.workers).map(&value).sum();
        out.gauge(&[("phase", phase)], sum);
    }
}

fn each_worker(status: &Status, mut put: impl FnMut(&str, &Worker)) {
    for worker in status.generations.iter().flat_map(|generation| &generation.workers) {
        put(&worker.pid.to_string(), worker);
    }
}
