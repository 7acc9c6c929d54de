//! A client that guesses passwords, beside clients that know theirs.

use std::{
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    ServeProcess, TIMEOUT,
    client::{self, Answer},
    two, wait,
};

/// A request from this address of the loopback network.
fn get_from(source: &str, server: &str, password: &str) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream: TcpStream = runtime
        .block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind(SocketAddr::new(source.parse().unwrap(), 0))?;
            socket.connect(server.parse().unwrap()).await?.into_std()
        })
        .unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let header = format!("Basic {}", STANDARD.encode(format!("prometheus:{password}")));
    client::request(stream, "GET", "/style.css", &[("Authorization", &header)])
}

#[test]
fn guesses_of_one_client_do_not_delay_the_login_of_another() {
    let lab = two();
    // So costly that guesses are still being hashed when the other client logs in.
    let hash = bcrypt::hash("sesame", 9).unwrap();
    let config = format!("[serve.users]\nprometheus = '{hash}'\n");
    let serve =
        ServeProcess::start(&lab, &config, &lab.target_toml("a", &lab.instances()[0], lab::ACCESS_ROLE));
    let login = |source: &str| {
        let start = Instant::now();
        assert_eq!(get_from(source, &serve.address, "sesame").status, 200);
        start.elapsed()
    };
    let alone = login("127.0.0.3");

    let (stop, checked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let limited = Arc::new(Mutex::new(None));
    let guessers: Vec<_> = (0..40)
        .map(|i| {
            let (stop, checked, limited) = (Arc::clone(&stop), Arc::clone(&checked), Arc::clone(&limited));
            let address = serve.address.clone();
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let answer = get_from("127.0.0.2", &address, &format!("guess {i}"));
                    match answer.status {
                        401 => drop(checked.fetch_add(1, Ordering::Relaxed)),
                        429 => *limited.lock().unwrap() = Some(answer),
                        other => panic!("{other}: {}", answer.body),
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            })
        })
        .collect();
    let start = Instant::now();
    wait("guesses are limited", || limited.lock().unwrap().as_ref().map(drop).ok_or_else(String::new));
    let before = checked.load(Ordering::Relaxed);
    let beside = login("127.0.0.1");
    let during = checked.load(Ordering::Relaxed) - before;
    // The next request compares the password with the remembered one.
    let again = login("127.0.0.1");
    stop.store(true, Ordering::Relaxed);
    for guesser in guessers {
        guesser.join().unwrap();
    }
    eprintln!(
        "login alone {alone:?}, beside 40 guessing connections {beside:?} ({:.1} times), again {again:?}; \
         {during} guesses were checked meanwhile",
        beside.as_secs_f64() / alone.as_secs_f64()
    );
    // Two are hashed at a time, at most one of them a guess.
    assert!(during <= 3, "{during}");
    let most = 10 + start.elapsed().as_secs() as usize / 5 + 1;
    assert!(checked.load(Ordering::Relaxed) <= most, "{checked:?} of {most}");

    let limited = limited.lock().unwrap().take().unwrap();
    assert!(limited.body.starts_with("429: "), "{}", limited.body);
    let head = limited.head.to_ascii_lowercase();
    let after = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
    assert!((1..=5).contains(&after.parse::<u32>().unwrap()), "{head}");
    assert_eq!(client::get(&serve.address, "/-/healthy", &[]).status, 200);
}
