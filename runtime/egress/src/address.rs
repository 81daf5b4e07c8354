//! Which addresses a plugin may ever be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressClass {
    /// The public internet.
    Global,
    /// This machine.
    Loopback,
    /// A private network: RFC 1918, unique local, and the shared space of RFC 6598, which overlay
    /// networks use. Reached by a local-server rule only.
    Private,
    /// Never connected to, with what it is.
    Forbidden(&'static str),
}

impl AddressClass {
    /// For a message: "leads to X, …".
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Global => "a public address",
            Self::Loopback => "this machine",
            Self::Private => "a private network",
            Self::Forbidden(what) => what,
        }
    }
}

/// Judges an address by the IANA special-purpose registries (RFC 6890 and its updates), plus the
/// metadata services of cloud providers, which answer with credentials.
pub(crate) fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(ip) => classify_v4(ip),
        IpAddr::V6(ip) => classify_v6(ip),
    }
}

fn classify_v4(ip: Ipv4Addr) -> AddressClass {
    use AddressClass::{Forbidden, Global, Loopback, Private};
    // Alibaba Cloud's and Azure's metadata services lie in space that is otherwise usable.
    const METADATA: [Ipv4Addr; 2] = [
        Ipv4Addr::new(100, 100, 100, 200),
        Ipv4Addr::new(168, 63, 129, 16),
    ];
    if METADATA.contains(&ip) {
        return Forbidden("a cloud metadata service");
    }
    match ip.octets() {
        [0, ..] => Forbidden("an unspecified address"),
        [127, ..] => Loopback,
        [10, ..] | [192, 168, ..] => Private,
        [172, second, ..] if second & 0xf0 == 16 => Private,
        [100, second, ..] if second & 0xc0 == 64 => Private,
        [169, 254, ..] => Forbidden("a link-local or cloud metadata address"),
        [192, 0, 0, _] => Forbidden("an address reserved for protocols"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Forbidden("an address for documentation")
        }
        [192, 88, 99, _] => Forbidden("a 6to4 relay"),
        [198, 18 | 19, ..] => Forbidden("an address for benchmarks"),
        [224..=239, ..] => Forbidden("a multicast address"),
        [240..=255, ..] => Forbidden("a reserved or broadcast address"),
        _ => Global,
    }
}

fn classify_v6(ip: Ipv6Addr) -> AddressClass {
    use AddressClass::{Forbidden, Global, Loopback, Private};
    if let Some(mapped) = ip.to_ipv4_mapped() {
        return classify_v4(mapped);
    }
    if ip.is_unspecified() {
        return Forbidden("an unspecified address");
    }
    if ip.is_loopback() {
        return Loopback;
    }
    let segments = ip.segments();
    match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            // NAT64: the gateway connects to the embedded address, so that one is judged.
            let embedded = Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
            match classify_v4(embedded) {
                Global => Global,
                _ => Forbidden("a translated address that is not public"),
            }
        }
        // AWS and Google metadata, inside the unique-local space.
        [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..] => Forbidden("a cloud metadata service"),
        [first, ..] if first & 0xfe00 == 0xfc00 => Private,
        [first, ..] if first & 0xffc0 == 0xfe80 => Forbidden("a link-local address"),
        [first, ..] if first & 0xff00 == 0xff00 => Forbidden("a multicast address"),
        [0x2001, second, ..] if second < 0x200 => {
            // 2001::/23: Teredo, benchmarks, ORCHID and other protocol assignments.
            Forbidden("a tunnel or protocol address")
        }
        [0x2001, 0xdb8, ..] => Forbidden("an address for documentation"),
        [0x3fff, second, ..] if second < 0x1000 => Forbidden("an address for documentation"),
        [0x2002, ..] => Forbidden("a 6to4 tunnel"),
        // The only global unicast space ever handed out (RFC 4291 §2.4, IANA).
        [first, ..] if first & 0xe000 == 0x2000 => Global,
        _ => Forbidden("a reserved address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssrf_table() {
        use AddressClass::{Forbidden, Global, Loopback, Private};
        let forbidden = Forbidden("");
        let table = [
            ("1.1.1.1", Global),
            ("8.8.8.8", Global),
            ("172.15.255.255", Global),
            ("172.32.0.0", Global),
            ("100.63.255.255", Global),
            ("100.128.0.0", Global),
            ("192.167.255.255", Global),
            ("223.255.255.255", Global),
            ("2606:4700:4700::1111", Global),
            ("2001:4860:4860::8888", Global),
            ("64:ff9b::808:808", Global),
            ("::ffff:8.8.8.8", Global),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("::1", Loopback),
            ("::ffff:127.0.0.1", Loopback),
            ("10.0.0.0", Private),
            ("10.255.255.255", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.0.1", Private),
            ("100.64.0.1", Private),
            ("100.127.255.255", Private),
            ("::ffff:10.0.0.1", Private),
            ("fc00::1", Private),
            ("fdff::1", Private),
            ("0.0.0.0", forbidden),
            ("0.1.2.3", forbidden),
            ("169.254.0.1", forbidden),
            ("169.254.169.254", forbidden),
            ("::ffff:169.254.169.254", forbidden),
            ("100.100.100.200", forbidden),
            ("168.63.129.16", forbidden),
            ("192.0.0.192", forbidden),
            ("192.0.2.1", forbidden),
            ("198.51.100.1", forbidden),
            ("203.0.113.1", forbidden),
            ("192.88.99.1", forbidden),
            ("198.18.0.1", forbidden),
            ("198.19.255.255", forbidden),
            ("224.0.0.1", forbidden),
            ("239.255.255.255", forbidden),
            ("240.0.0.1", forbidden),
            ("255.255.255.255", forbidden),
            ("::", forbidden),
            ("::127.0.0.1", forbidden),
            ("::8.8.8.8", forbidden),
            ("::ffff:0:8.8.8.8", forbidden),
            ("64:ff9b::7f00:1", forbidden),
            ("64:ff9b::a9fe:a9fe", forbidden),
            ("64:ff9b::a00:1", forbidden),
            ("64:ff9b:1::808:808", forbidden),
            ("100::1", forbidden),
            ("2001::1", forbidden),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", forbidden),
            ("2001:2::1", forbidden),
            ("2001:10::1", forbidden),
            ("2001:20::1", forbidden),
            ("2001:db8::1", forbidden),
            ("3fff::1", forbidden),
            ("2002:7f00:1::", forbidden),
            ("2002:808:808::", forbidden),
            ("5f00::1", forbidden),
            ("fd00:ec2::254", forbidden),
            ("fd20:ce::254", forbidden),
            ("fe80::1", forbidden),
            ("febf::1", forbidden),
            ("fec0::1", forbidden),
            ("ff02::1", forbidden),
        ];
        for (text, expected) in table {
            let found = match classify(text.parse().unwrap()) {
                Forbidden(_) => forbidden,
                other => other,
            };
            assert_eq!(found, expected, "{text}");
        }
    }
}
