use engine::flow::{Addrs, Expectation, HelperName, L4Key, Protocol};
use engine::output::ExpectRequest;

use super::*;

const NOW: Instant = Instant::from_millis(1_000);

fn flow(port: u16) -> Flow {
    let orig = Tuple {
        addrs: Addrs::V4 {
            src: [10, 0, 0, 1].into(),
            dst: [192, 0, 2, 9].into(),
        },
        proto: Protocol::UDP,
        key: L4Key::Ports { src: port, dst: 53 },
    };
    Flow {
        reply: Some(orig.mirrored()),
        status: Some(Status::CONFIRMED),
        timeout_secs: Some(30),
        ..Flow::new(orig)
    }
}

fn master(port: u16) -> Flow {
    Flow {
        helper: HelperName::from_bytes(b"ftp").ok(),
        ..flow(port)
    }
}

/// What the helper of `master(port)` foretells.
fn foretold(port: u16) -> Expectation {
    Expectation {
        master: flow(port).orig,
        tuple: flow(9).orig,
        mask: flow(9).orig,
        timeout_secs: Some(7),
        id: None,
        zone: None,
        flags: None,
        class: None,
        nat: None,
        helper: master(port).helper,
        function: None,
    }
}

fn kernel() -> Kernel {
    let mut kernel = Kernel::new(3, 2);
    kernel.subscribe(NOW);
    kernel
}

fn create(kernel: &mut Kernel, flow: Flow) -> Result<(), Errno> {
    kernel.request(&FlowRequest::Create(flow), NOW).map(|_| ())
}

#[test]
fn a_tuple_is_taken_in_either_direction() {
    let mut kernel = kernel();
    create(&mut kernel, flow(1)).unwrap();
    assert_eq!(create(&mut kernel, flow(1)), Err(Errno::EEXIST));
    let backwards = Flow {
        reply: Some(flow(1).orig),
        orig: flow(1).orig.mirrored(),
        ..flow(1)
    };
    assert_eq!(create(&mut kernel, backwards), Err(Errno::EEXIST));
    let elsewhere = Flow {
        zone: Some(7),
        ..flow(1)
    };
    assert_eq!(create(&mut kernel, elsewhere), Ok(()));
}

#[test]
fn what_cannot_be_done_has_an_error_and_no_effect() {
    let mut kernel = kernel();
    let orphan = Flow {
        master: Some(flow(9).orig),
        ..flow(1)
    };
    assert_eq!(create(&mut kernel, orphan), Err(Errno::ENOENT));
    let expected = Flow {
        status: Some(Status::CONFIRMED | Status::EXPECTED),
        ..flow(1)
    };
    assert_eq!(create(&mut kernel, expected), Err(Errno::EBUSY));
    let update = kernel.request(&FlowRequest::Update(flow(1)), NOW);
    assert_eq!(update, Err(Errno::ENOENT));
    assert!(kernel.read().is_none(), "nothing has happened");
    for port in 1..=3 {
        create(&mut kernel, flow(port)).unwrap();
    }
    assert_eq!(create(&mut kernel, flow(4)), Err(Errno::ENOMEM));
    assert_eq!(kernel.len(), 3);
}

#[test]
fn an_overrun_is_told_before_the_events_that_did_fit() {
    let mut kernel = kernel();
    for port in 1..=3 {
        create(&mut kernel, flow(port)).unwrap();
    }
    assert!(matches!(kernel.read(), Some(Read::Overrun)));
    let told: Vec<_> = std::iter::from_fn(|| kernel.read()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn a_flow_ends_when_its_time_is_over_and_traffic_puts_that_off() {
    let mut kernel = kernel();
    let key = FlowKey::of(&flow(1));
    kernel.begin(flow(1), NOW).unwrap();
    let later = NOW.saturating_add(Duration::from_secs(29));
    kernel.refresh(&key, 30, later);
    assert!(
        kernel
            .expire(NOW.saturating_add(Duration::from_secs(30)))
            .is_empty()
    );
    assert_eq!(kernel.expire(NOW.saturating_add(Duration::from_secs(59))), [key]);
    assert!(kernel.flow(&key, NOW).is_none());
}

#[test]
fn a_translation_shows_in_the_reply_tuple_and_the_status() {
    let mut kernel = kernel();
    let nat = Nat {
        snat: Some([203, 0, 113, 1].into()),
        spat: Some(4_000),
        ..Nat::NONE
    };
    create(&mut kernel, Flow { nat, ..flow(1) }).unwrap();
    let created = kernel.flow(&FlowKey::of(&flow(1)), NOW).unwrap();
    assert_eq!(created.nat_in_effect(), nat);
    assert_eq!(created.status, Some(Status(0x198)));
}

#[test]
fn an_expectation_needs_a_master_with_a_helper_and_goes_with_it() {
    let mut kernel = kernel();
    let master = master(1);
    kernel.begin(master.clone(), NOW).unwrap();
    kernel.begin(flow(2), NOW).unwrap();
    assert_eq!(kernel.foretell(foretold(3), NOW), Err(Errno::ENOENT));
    assert_eq!(kernel.foretell(foretold(2), NOW), Err(Errno::EOPNOTSUPP));
    assert_eq!(kernel.foretell(foretold(1), NOW), Ok(()));
    assert_eq!(kernel.foretell(foretold(1), NOW), Err(Errno::EEXIST));
    assert_eq!(kernel.expectations(NOW)[0].timeout_secs, Some(7));
    kernel.end(&FlowKey::of(&master), NOW);
    assert!(kernel.expectations(NOW).is_empty());
}

#[test]
fn a_request_gives_an_expectation_the_time_of_its_helper_until_another_sets_it() {
    let mut kernel = kernel();
    let master = master(1);
    kernel.begin(master.clone(), NOW).unwrap();
    let wanted = Box::new(foretold(1));
    let mut ask = |request| {
        let answer = kernel.request(&FlowRequest::Expectation(request), NOW);
        let told = kernel
            .expectations(NOW)
            .first()
            .and_then(|expectation| expectation.timeout_secs);
        (answer.map(drop), told)
    };
    assert_eq!(
        ask(ExpectRequest::Update(wanted.clone())),
        (Err(Errno::ENOENT), None)
    );
    assert_eq!(ask(ExpectRequest::Create(wanted.clone())), (Ok(()), Some(300)));
    assert_eq!(ask(ExpectRequest::Update(wanted.clone())), (Ok(()), Some(7)));
    assert_eq!(ask(ExpectRequest::Delete(wanted)), (Ok(()), None));
}
