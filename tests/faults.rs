mod kit;
use kit::faults;
#[test]
fn tmp() {
    std::fs::create_dir_all("target/t").unwrap();
    for fault in faults::all() {
        let (a, b) = fault.captures();
        assert!(a != b, "{}", fault.name);
        std::fs::write(format!("target/t/{}.pcap", fault.name), b).unwrap();
    }
}
