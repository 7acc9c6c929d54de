use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use jiff::SignedDuration;

use super::*;

const OLDEST: Duration = Duration::from_secs(300);

/// STS with a clock: `now` follows the virtual time.
struct World {
    slot: Arc<Slot>,
    start: Instant,
    calls: Arc<AtomicUsize>,
    /// How far the clock of this machine has jumped, in seconds.
    jumped: AtomicI64,
}

#[derive(Clone, Copy)]
enum Sts {
    Issues,
    /// No response until the SDK gives up.
    Stopped,
    Hangs,
    Says(&'static str),
}

impl World {
    fn new() -> Self {
        Self { slot: Arc::default(), start: Instant::now(), calls: Arc::default(), jumped: AtomicI64::new(0) }
    }

    fn now(&self) -> Timestamp {
        let jumped = SignedDuration::from_secs(self.jumped.load(Ordering::Relaxed));
        Timestamp::from_second(10_000_000).unwrap() + self.start.elapsed() + jumped
    }

    fn jump(&self, seconds: i64) {
        self.jumped.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Asks for a session of an hour. No answer may take time while there is one.
    async fn ask(&self, sts: Sts) -> (Result<Identity, IdentityError>, IdentityEvidence) {
        let (calls, end) = (Arc::clone(&self.calls), self.now() + Duration::from_secs(3600));
        let renew = || {
            calls.fetch_add(1, Ordering::Relaxed);
            async move {
                let refused = |code: &str| IdentityError::Refused {
                    role: "r".into(),
                    code: code.into(),
                    message: String::new(),
                    request_id: None,
                };
                let result = match sts {
                    Sts::Issues => Ok(Identity {
                        credentials: Credentials::new("a", "s", None, None, "test"),
                        expires_at: Some(end),
                    }),
                    Sts::Stopped => {
                        tokio::time::sleep(Duration::from_secs(9)).await;
                        Err(IdentityError::Unreachable { role: "r".into(), what: "no answer".into() })
                    }
                    Sts::Hangs => std::future::pending().await,
                    Sts::Says(code) => Err(refused(code)),
                };
                (result, IdentityEvidence::default())
            }
        };
        let mut evidence = IdentityEvidence::default();
        let result = self.slot.identity(OLDEST, self.now(), renew, &mut evidence).await;
        (result, evidence)
    }

    fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::Relaxed)
    }
}

async fn seconds(n: u64) {
    tokio::time::sleep(Duration::from_secs(n)).await;
}

/// Asks every 15 seconds for so many minutes: no request fails or waits.
async fn serves_for(world: &World, minutes: u64, sts: Sts) {
    for second in (0..minutes * 60).step_by(15) {
        let asked = Instant::now();
        let (result, evidence) = world.ask(sts).await;
        assert!(result.is_ok(), "after {second} s: {result:?}");
        assert_eq!((asked.elapsed(), evidence.kept), (Duration::ZERO, true), "after {second} s");
        seconds(15).await;
    }
}

#[tokio::test(start_paused = true)]
async fn sts_can_be_stopped_for_20_minutes() {
    let world = World::new();
    assert!(!world.ask(Sts::Issues).await.1.kept);
    serves_for(&world, 29, Sts::Issues).await;
    assert_eq!(world.calls(), 1 + 5, "one per five minutes");
    serves_for(&world, 20, Sts::Stopped).await;
    let calls = world.calls();
    assert!((30..=80).contains(&calls), "{calls} calls: repeated, but one at a time and with pauses");
    serves_for(&world, 60, Sts::Issues).await;
    assert!(world.calls() > 10);
}

#[tokio::test(start_paused = true)]
async fn sts_can_hang_for_20_minutes() {
    let world = World::new();
    world.ask(Sts::Issues).await.0.unwrap();
    serves_for(&world, 29, Sts::Issues).await;
    world.calls();
    serves_for(&world, 20, Sts::Hangs).await;
    let calls = world.calls();
    assert!((10..=20).contains(&calls), "{calls} calls: one at a time, each until it times out");
    serves_for(&world, 20, Sts::Issues).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_ended_is_not_used() {
    let world = World::new();
    world.ask(Sts::Issues).await.0.unwrap();
    seconds(3590).await;
    let (result, evidence) = world.ask(Sts::Stopped).await;
    assert!(matches!(result, Err(IdentityError::Unreachable { .. })) && !evidence.kept, "{result:?}");
    // The failure is the answer for a short time.
    assert!(world.ask(Sts::Issues).await.0.is_err());
    seconds(10).await;
    world.ask(Sts::Issues).await.0.unwrap();
    assert_eq!(world.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_refuses_ends_its_session() {
    for (code, ends) in [
        ("AccessDenied", true),
        ("RegionDisabledException", true),
        ("Throttling", false),
        ("ServiceUnavailable", false),
        ("ExpiredToken", false),
    ] {
        let world = World::new();
        world.ask(Sts::Issues).await.0.unwrap();
        seconds(OLDEST.as_secs()).await;
        world.ask(Sts::Says(code)).await.0.unwrap();
        seconds(1).await;
        assert_eq!(world.ask(Sts::Issues).await.0.is_err(), ends, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_who_ask_share_one_call() {
    let world = World::new();
    let asked = futures_util::future::join_all((0..100).map(|_| world.ask(Sts::Stopped))).await;
    assert!(asked.iter().all(|(result, _)| result.is_err()));
    assert_eq!(asked.iter().filter(|(_, evidence)| !evidence.kept).count(), 1);
    assert_eq!(world.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_renewal_is_not_the_last_renewal() {
    let world = World::new();
    let panics = || async { panic!("on purpose") };
    let mut evidence = IdentityEvidence::default();
    let result = world.slot.identity(OLDEST, world.now(), panics, &mut evidence).await;
    assert!(result.is_err());
    world.ask(Sts::Issues).await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_token_was_refused_is_renewed_at_most_once_in_a_while() {
    let world = World::new();
    let refused = async |sts: Sts| {
        let (calls, end) = (Arc::clone(&world.calls), world.now() + Duration::from_secs(3600));
        world.slot.renew_early(|| async move {
            calls.fetch_add(1, Ordering::Relaxed);
            let credentials = Credentials::new("renewed", "s", None, None, "test");
            let result = match sts {
                Sts::Issues => Ok(Identity { credentials, expires_at: Some(end) }),
                _ => Err(IdentityError::Unreachable { role: "r".into(), what: "no answer".into() }),
            };
            (result, IdentityEvidence::default())
        });
        seconds(1).await;
        world.calls()
    };
    assert_eq!(refused(Sts::Issues).await, 0, "there is no session");
    world.ask(Sts::Issues).await.0.unwrap();
    world.calls();
    assert_eq!(refused(Sts::Issues).await, 0, "it is new");
    seconds(10).await;
    assert_eq!(refused(Sts::Stopped).await, 1);
    let identity = world.ask(Sts::Issues).await.0.unwrap();
    assert_eq!(identity.credentials.access_key_id(), "a", "the session is kept if STS fails");
    assert_eq!(refused(Sts::Issues).await, 0, "STS failed a short time ago");
    seconds(10).await;
    assert_eq!(refused(Sts::Issues).await, 1);
    let identity = world.ask(Sts::Issues).await.0.unwrap();
    assert_eq!(identity.credentials.access_key_id(), "renewed");
    assert_eq!(refused(Sts::Issues).await, 0);
}

/// The clock of this machine jumps; the time that has passed is measured with another clock.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_leaves_no_session_that_has_ended_and_no_lasting_failure() {
    const HOUR: i64 = 3600;
    for (jump, calls) in [(2 * HOUR, 1), (-72 * HOUR, 0), (-2 * HOUR, 0)] {
        let world = World::new();
        world.ask(Sts::Issues).await.0.unwrap();
        assert_eq!(world.calls(), 1);
        world.jump(jump);
        // Ahead: the session has ended by this clock, so there is a new one. Back: it is used, because AWS has not ended it.
        world.ask(Sts::Issues).await.0.unwrap();
        assert_eq!(world.calls(), calls, "{jump}");
        // The session is renewed by the time that has passed, whatever the clock says.
        seconds(301).await;
        world.ask(Sts::Issues).await.0.unwrap();
        seconds(1).await;
        assert_eq!(world.calls(), 1, "{jump}");
        world.jump(-jump);
        world.ask(Sts::Issues).await.0.unwrap();
        serves_for(&world, 10, Sts::Issues).await;
    }
}
