//! The documented rates as arithmetic on instants: so many calls of a method in any second. Knows no clock and never waits.

use std::collections::VecDeque;
use std::time::Duration;

use super::route::Method;

/// A second less what the network's jitter may push two evenly paced calls together.
const WINDOW: Duration = Duration::from_millis(950);

/// When each method was called last.
pub struct Limits {
    calls: [VecDeque<Duration>; Method::ALL.len()],
}

impl Limits {
    /// Nothing called yet.
    pub fn new() -> Limits {
        Limits { calls: Method::ALL.map(|method| VecDeque::with_capacity(rate(method))) }
    }

    /// Whether a call at `now` keeps the method's rate. One that does not is not counted.
    pub fn admit(&mut self, method: Method, now: Duration) -> bool {
        let calls = &mut self.calls[method as usize];
        if calls.len() == rate(method) {
            let oldest = calls.front().copied().unwrap_or_default();
            if now < oldest + WINDOW {
                return false;
            }
            calls.pop_front();
        }
        calls.push_back(now);
        true
    }
}

/// Calls a second and instance, from the service's table of limits.
fn rate(method: Method) -> usize {
    match method {
        Method::GetAvatarAsync | Method::GetAvatar => 10,
        Method::ReceiveNotification | Method::DeleteNotification => 100,
        Method::GetStateInstance | Method::GetSettings => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn the_eleventh_get_avatar_of_a_second_is_refused_and_not_counted() {
        let mut limits = Limits::new();
        for _ in 0..10 {
            assert!(limits.admit(Method::GetAvatar, ms(0)));
        }
        assert!(!limits.admit(Method::GetAvatar, ms(500)));
        assert!(!limits.admit(Method::GetAvatar, ms(949)));
        assert!(limits.admit(Method::GetAvatar, ms(1000)));
    }

    #[test]
    fn calls_paced_at_the_rate_pass_in_spite_of_jitter() {
        let mut limits = Limits::new();
        for call in 0..1000_u64 {
            let jitter = call * 7919 % 40;
            assert!(limits.admit(Method::GetAvatarAsync, ms(call * 100 + jitter)), "call {call}");
        }
    }

    #[test]
    fn methods_have_their_own_rates_and_do_not_share_them() {
        let mut limits = Limits::new();
        for (method, rate) in [
            (Method::GetAvatarAsync, 10),
            (Method::GetAvatar, 10),
            (Method::ReceiveNotification, 100),
            (Method::DeleteNotification, 100),
            (Method::GetStateInstance, 1),
            (Method::GetSettings, 1),
        ] {
            let admitted = (0..200).filter(|_| limits.admit(method, ms(0))).count();
            assert_eq!(admitted, rate, "{method:?}");
        }
    }
}
