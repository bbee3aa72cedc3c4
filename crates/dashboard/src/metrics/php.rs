//! The families of figures of what runs PHP, and of its pages that are kept for a moment.

use super::{Family, Kind, Samples};
use control::{
    kept::Kept,
    status::{Pool, Says, Status},
};

/// All of them.
pub(super) const FAMILIES: &[Family] = &[
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
        name: "gannet_php_deaths",
        kind: Kind::Counter,
        help: "Times that a php-fpm of a site has died though nobody had it end.",
        put: |status, out| toll(status, out, |pool| pool.deaths),
    },
    Family {
        name: "gannet_php_restarts",
        kind: Kind::Counter,
        help: "Times that another php-fpm was started in the place of one that had died.",
        put: |status, out| toll(status, out, |pool| pool.restarts),
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
        put: |status, out| {
            each_php(status, |site, pools| {
                let sum = said(pools, |says| says.busy_most).into_iter();
                sum.for_each(|sum| out.gauge(&[site], sum));
            });
        },
    },
    Family {
        name: "gannet_php_workers_all_busy",
        kind: Kind::Counter,
        help: "Times that php-fpm could have done with more workers than it may have.",
        put: |status, out| count_php(status, out, |says| says.limit_reached),
    },
    Family {
        name: "gannet_php_requests",
        kind: Kind::Counter,
        help: "Requests that php-fpm has taken.",
        put: |status, out| count_php(status, out, |says| says.taken),
    },
    Family {
        name: "gannet_php_slow",
        kind: Kind::Counter,
        help: "Requests that php-fpm has found slow.",
        put: |status, out| count_php(status, out, |says| says.slow),
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

/// What all of them have counted together: nothing where one of them is silent, as a counter that
/// lacks its part would seem to begin anew.
fn counted(pools: &[&Pool], figure: Figure) -> Option<u64> {
    pools.iter().map(|pool| pool.says.as_ref().map(figure)).sum()
}

/// What those say together that say anything.
fn said(pools: &[&Pool], figure: Figure) -> Option<u64> {
    pools.iter().filter_map(|pool| pool.says.as_ref()).map(figure).reduce(|sum, one| sum + one)
}

/// What has become of those of each site, which all of them have alike.
fn toll(status: &Status, out: &mut Samples<'_>, figure: fn(&Pool) -> u64) {
    each_php(status, |site, pools| {
        pools.first().into_iter().for_each(|pool| out.count(&[site], figure(pool)));
    });
}

/// What those of each site have counted.
fn count_php(status: &Status, out: &mut Samples<'_>, figure: Figure) {
    each_php(status, |site, pools| {
        counted(pools, figure).into_iter().for_each(|sum| out.count(&[site], sum));
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
