//! The families of figures. docs/book/admin.md has a row for each.

use super::{Family, Kind, Samples, seconds};
use control::{
    Counter,
    kept::Kept,
    status::{Pool, Says, Status, Worker},
    tally::Counts,
};

/// All of them but the ones of [`Counter`].
pub const FAMILIES: &[Family] = &[
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
                for (at, count) in counts.classes.iter().enumerate().filter(|(_, one)| **one > 0) {
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
        help: "Connections that may wait at each socket of an address.",
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
    Family {
        name: "gannet_php_up",
        kind: Kind::Gauge,
        help: "Whether each php-fpm of a site has said within a second how it is: 1 or 0.",
        put: |status, out| {
            each_php(status, |site, pools| {
                let is_up = pools.iter().all(|pool| pool.says.is_some());
                out.gauge(&[site], u8::from(is_up));
            });
        },
    },
    Family {
        name: "gannet_php_workers",
        kind: Kind::Gauge,
        help: "Workers of php-fpm, by site and whether they are at a request.",
        put: |status, out| {
            each_php(status, |site, pools| {
                let all: [(_, Figure); 2] =
                    [("busy", |says| says.busy), ("idle", |says| says.idle)];
                for (state, figure) in all {
                    let sum = said(pools, figure);
                    sum.into_iter().for_each(|sum| out.gauge(&[site, ("state", state)], sum));
                }
            });
        },
    },
    Family {
        name: "gannet_php_workers_busy_most",
        kind: Kind::Gauge,
        help: "Workers of php-fpm that were at a request at a time, at most, since its start.",
        put: |status, out| of_php(status, |says| says.busy_most, |site, sum| out.gauge(site, sum)),
    },
    Family {
        name: "gannet_php_workers_all_busy",
        kind: Kind::Counter,
        help: "Times that php-fpm could have done with more workers than it may have.",
        put: |status, out| {
            of_php(status, |says| says.limit_reached, |site, sum| out.count(site, sum));
        },
    },
    Family {
        name: "gannet_php_requests",
        kind: Kind::Counter,
        help: "Requests that php-fpm has taken.",
        put: |status, out| of_php(status, |says| says.taken, |site, sum| out.count(site, sum)),
    },
    Family {
        name: "gannet_php_slow",
        kind: Kind::Counter,
        help: "Requests that php-fpm has found slow.",
        put: |status, out| of_php(status, |says| says.slow, |site, sum| out.count(site, sum)),
    },
    Family {
        name: "gannet_php_queue",
        kind: Kind::Gauge,
        help: "Requests that wait for a worker of php-fpm.",
        put: |status, out| {
            each_php(status, |site, pools| {
                out.gauge(&[site], pools.iter().map(|pool| pool.waiting).sum::<u64>());
            });
        },
    },
    Family {
        name: "gannet_php_queue_max",
        kind: Kind::Gauge,
        help: "Requests that may wait there.",
        put: |status, out| {
            each_php(status, |site, pools| {
                out.gauge(&[site], pools.iter().map(|pool| pool.waiting_max).sum::<u64>());
            });
        },
    },
    Family {
        name: "gannet_micro_cache_requests",
        kind: Kind::Counter,
        help: "Requests for pages that are kept, or could be, by where their answer came from.",
        put: |status, out| {
            each_kept(status, |site, kept| {
                let all = [("hit", kept.hits), ("stale", kept.stale), ("miss", kept.misses)];
                for (outcome, count) in all {
                    out.count(&[site, ("outcome", outcome)], count);
                }
            });
        },
    },
    Family {
        name: "gannet_micro_cache_waited",
        kind: Kind::Counter,
        help: "Those of them that waited for what another one had asked for.",
        put: |status, out| each_kept(status, |site, kept| out.count(&[site], kept.waited)),
    },
    Family {
        name: "gannet_micro_cache_pages",
        kind: Kind::Gauge,
        help: "Pages that are kept now, of all workers.",
        put: |status, out| each_kept(status, |site, kept| out.gauge(&[site], kept.pages)),
    },
    Family {
        name: "gannet_micro_cache_bytes",
        kind: Kind::Gauge,
        help: "Memory that is set aside for them.",
        put: |status, out| each_kept(status, |site, kept| out.gauge(&[site], kept.bytes)),
    },
];

/// A figure of a php-fpm.
type Figure = fn(&Says) -> u64;

/// The php-fpms of each site that has any.
fn each_php(status: &Status, mut put: impl FnMut((&str, &str), &[&Pool])) {
    let mut all: Vec<_> = status.pools.iter().collect();
    all.sort_by(|one, other| one.site.cmp(&other.site));
    for pools in all.chunk_by(|one, other| one.site == other.site) {
        let site = pools.first().map_or("", |pool| &pool.site);
        put(("site", site), pools);
    }
}

/// What those say together that say anything.
fn said(pools: &[&Pool], figure: Figure) -> Option<u64> {
    pools.iter().filter_map(|pool| pool.says.as_ref()).map(figure).reduce(|sum, one| sum + one)
}

/// That of each site.
fn of_php(status: &Status, figure: Figure, mut put: impl FnMut(&[(&str, &str)], u64)) {
    each_php(status, |site, pools| {
        said(pools, figure).into_iter().for_each(|sum| put(&[site], sum));
    });
}

/// The pages of each site that has kept any, or would have.
fn each_kept(status: &Status, mut put: impl FnMut((&str, &str), Kept)) {
    for site in &status.sites {
        let kept = site.total().kept;
        if kept != Kept::default() {
            put(("site", &site.name), kept);
        }
    }
}

/// The figures of all routes that have had requests.
fn each_route(status: &Status, mut put: impl FnMut([(&str, &str); 2], &Counts)) {
    for site in &status.sites {
        for (route, counts) in site.routes.iter().filter(|(_, counts)| counts.requests() > 0) {
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
