//! Limits: each alone is within its bounds already; here they are compared.

use crate::{
    mistake::Mistake,
    plan::Capacity,
    source::{Word, set},
    written::Limits as Words,
};
use message::Limits;

/// Puts the limits that were typed in the place of the defaults.
pub(crate) fn resolve(
    words: Words,
    limits: &mut Limits,
    capacity: &mut Capacity,
    mistakes: &mut Vec<Mistake>,
) {
    check_below(
        ("target-bytes-max", &words.target_bytes_max),
        ("head-bytes-max", &words.head_bytes_max, limits.head_bytes_max),
        mistakes,
    );
    check_below(
        ("connections-per-client-max", &words.connections_per_client_max),
        ("connections-max", &words.connections_max, capacity.connections_max),
        mistakes,
    );
    check_below(
        ("password-checks-max", &words.password_checks_max),
        ("pool-threads-max", &words.pool_threads_max, capacity.pool_threads_max),
        mistakes,
    );
    set(&mut limits.head_bytes_max, words.head_bytes_max);
    set(&mut limits.fields_max, words.fields_max);
    set(&mut limits.target_bytes_max, words.target_bytes_max);
    set(&mut limits.chunk_extension_bytes_max, words.chunk_extension_bytes_max);
    set(&mut limits.trailer_bytes_max, words.trailer_bytes_max);
    set(&mut limits.drain_bytes_max, words.drain_bytes_max);
    set(&mut limits.head_time, words.head_time);
    set(&mut limits.handshake_time, words.handshake_time);
    set(&mut limits.idle_time, words.idle_time);
    set(&mut limits.connection_time, words.connection_time);
    set(&mut limits.body_idle_time, words.body_idle_time);
    set(&mut limits.body_rate_min, words.body_rate_min);
    set(&mut limits.write_stall_time, words.write_stall_time);
    set(&mut limits.write_rate_min, words.write_rate_min);
    set(&mut limits.linger_time, words.linger_time);
    set(&mut limits.requests_max, words.requests_max);
    set(&mut limits.output_bytes_max, words.output_bytes_max);
    set(&mut capacity.connections_max, words.connections_max);
    set(&mut capacity.connections_per_client_max, words.connections_per_client_max);
    set(&mut capacity.clients_max, words.clients_max);
    set(&mut capacity.stop_time, words.stop_time);
    set(&mut capacity.drain_time, words.drain_time);
    set(&mut capacity.pool_threads_max, words.pool_threads_max);
    set(&mut capacity.password_checks_max, words.password_checks_max);
}

/// Refuses a limit that is never reached because an outer one is reached before. Only a limit that
/// was typed is refused: a default gives way.
fn check_below<N: Copy + TryInto<usize>>(
    (name, inner): (&str, &Option<Word<N>>),
    (outer_name, outer, outer_default): (&str, &Option<Word<usize>>, usize),
    mistakes: &mut Vec<Mistake>,
) {
    let Some(inner) = inner else { return };
    let outer_value = outer.as_ref().map_or(outer_default, |word| word.value);
    if inner.value.try_into().unwrap_or(usize::MAX) <= outer_value {
        return;
    }
    let cause = format!("`{name}` is never reached: `{outer_name}` is less");
    let mistake = Mistake::new(inner.span, cause, "has no effect")
        .help(format!("lower it, or raise `{outer_name}`"));
    mistakes.push(match outer {
        Some(outer) => mistake.also(outer.span, "reached before"),
        None => mistake,
    });
}
