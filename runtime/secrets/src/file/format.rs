//! The sealed file, byte by byte. Numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic `VALEKEYS` |
//! | 2 | version, 1: Argon2id v1.3 and XChaCha20-Poly1305 |
//! | 2 | zero |
//! | 12 | Argon2id memory in KiB, passes, lanes |
//! | 16 | salt, made with the file |
//! | 16 | verifier: the part of Argon2id's output that is not the key |
//! | 24 | nonce, made with each write |
//! | 16 | start of the SHA-256 of all before |
//! | rest | sealed [entries](super::entries), then Poly1305's tag; the header is the associated data |
//!
//! The checksum is no protection: it tells an accident in the header (which would otherwise look
//! like a wrong passphrase) from a wrong passphrase. The verifier tells a wrong passphrase from a
//! changed body. Both are covered by the tag.

use std::path::Path;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{Passphrase, SecretError};

const MAGIC: [u8; 8] = *b"VALEKEYS";
const VERSION: u16 = 1;
const CHECKED_LEN: usize = 8 + 2 + 2 + 12 + 16 + 16 + 24;
const CHECKSUM_LEN: usize = 16;
pub(super) const HEADER_LEN: usize = CHECKED_LEN + CHECKSUM_LEN;
/// Poly1305's tag.
pub(super) const TAG_LEN: usize = 16;

/// What Argon2id costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// Memory, in KiB.
    pub(super) memory_kib: u32,
    /// Passes over it.
    pub(super) passes: u32,
    /// Lanes; they run one after another here.
    pub(super) lanes: u32,
}

impl Cost {
    /// RFC 9106 §4, the second recommended option (memory-constrained): 64 MiB, t = 3, p = 4. Above
    /// OWASP's minimum of 19 MiB, t = 2, p = 1.
    pub(super) const STANDARD: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 4,
    };

    /// Ours: what a header may ask for, so that a hostile file costs at most 256 MiB and, in time,
    /// eight times the standard.
    const MAX_MEMORY_KIB: u32 = 256 * 1024;
    const MAX_WORK_KIB: u64 = 8 * 3 * 64 * 1024;
    const MAX_LANES: u32 = 16;

    fn params(self) -> Option<Params> {
        let work = u64::from(self.memory_kib) * u64::from(self.passes);
        let bounded = self.memory_kib <= Self::MAX_MEMORY_KIB
            && work <= Self::MAX_WORK_KIB
            && self.lanes <= Self::MAX_LANES;
        let output = Some(KEY_LEN + VERIFIER_LEN);
        bounded
            .then(|| Params::new(self.memory_kib, self.passes, self.lanes, output).ok())
            .flatten()
    }
}

pub(super) const KEY_LEN: usize = 32;
const VERIFIER_LEN: usize = 16;

/// Everything that decides the key, and the proof that a key is right. Made once for a file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Lock {
    cost: Cost,
    salt: [u8; 16],
    verifier: [u8; VERIFIER_LEN],
}

/// The key of one file; zeroed on drop.
pub(super) type Key = Zeroizing<[u8; KEY_LEN]>;

impl Lock {
    /// A lock for a new file, and its key.
    pub(super) fn create(passphrase: &Passphrase, cost: Cost) -> Result<(Self, Key), SecretError> {
        let mut salt = [0; 16];
        fill_random(&mut salt)?;
        let params = cost
            .params()
            .ok_or(SecretError::System("the key derivation"))?;
        let (key, verifier) = derive(passphrase, params, &salt)?;
        Ok((
            Self {
                cost,
                salt,
                verifier,
            },
            key,
        ))
    }

    /// The key, if the passphrase is the right one.
    pub(super) fn open(&self, passphrase: &Passphrase, path: &Path) -> Result<Key, SecretError> {
        let params = self
            .cost
            .params()
            .ok_or_else(|| format_error(path, COSTLY))?;
        let (key, verifier) = derive(passphrase, params, &self.salt)?;
        // Comparing in constant time would hide nothing: whoever can try has the file.
        if verifier == self.verifier {
            Ok(key)
        } else {
            Err(SecretError::WrongPassphrase {
                path: path.to_owned(),
            })
        }
    }
}

const COSTLY: &str = "it asks for more memory or time than any ValeChat writes";

fn derive(
    passphrase: &Passphrase,
    params: Params,
    salt: &[u8],
) -> Result<(Key, [u8; VERIFIER_LEN]), SecretError> {
    let failed = SecretError::System("enough memory to derive the file's key");
    let mut memory: Zeroizing<Vec<Block>> = Zeroizing::new(Vec::new());
    if memory.try_reserve_exact(params.block_count()).is_err() {
        return Err(failed);
    }
    memory.resize(params.block_count(), Block::new());
    // Up to 64 bytes come out of one BLAKE2b call (RFC 9106 §3.3), so publishing the verifier tells
    // nothing about the key.
    let mut output = Zeroizing::new([0; KEY_LEN + VERIFIER_LEN]);
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hashed = argon.hash_password_into_with_memory(
        passphrase.bytes(),
        salt,
        output.as_mut_slice(),
        memory.as_mut_slice(),
    );
    let parts = output.split_first_chunk::<KEY_LEN>();
    let (Ok(()), Some((key, rest))) = (hashed, parts) else {
        return Err(failed);
    };
    let verifier = rest.try_into().map_err(|_| failed)?;
    Ok((Zeroizing::new(*key), verifier))
}

/// A file whose header is sound and whose body is still sealed.
pub(super) struct Sealed {
    pub(super) lock: Lock,
    nonce: [u8; 24],
    header: [u8; HEADER_LEN],
    body: Vec<u8>,
}

impl Sealed {
    /// Reads the header; `bytes` is untrusted.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self, SecretError> {
        let damaged = || SecretError::Damaged {
            path: path.to_owned(),
        };
        let start = bytes.get(..MAGIC.len()).unwrap_or(bytes);
        if !MAGIC.starts_with(start) {
            return Err(format_error(path, "it begins differently"));
        }
        let (header, body) = bytes
            .split_first_chunk::<HEADER_LEN>()
            .ok_or_else(damaged)?;
        let mut rest = header.as_slice();
        let parsed = (|| {
            take::<8>(&mut rest)?;
            let version = u16::from_le_bytes(take(&mut rest)?);
            take::<2>(&mut rest)?;
            let cost = Cost {
                memory_kib: u32::from_le_bytes(take(&mut rest)?),
                passes: u32::from_le_bytes(take(&mut rest)?),
                lanes: u32::from_le_bytes(take(&mut rest)?),
            };
            let (salt, verifier) = (take(&mut rest)?, take(&mut rest)?);
            let (nonce, sum) = (take(&mut rest)?, take::<CHECKSUM_LEN>(&mut rest)?);
            Some((
                version,
                Lock {
                    cost,
                    salt,
                    verifier,
                },
                nonce,
                sum,
            ))
        })();
        let (version, lock, nonce, sum) = parsed.ok_or_else(damaged)?;
        if version != VERSION {
            return Err(format_error(path, "its version is unknown"));
        }
        if checksum(header) != Some(sum) || body.len() < TAG_LEN {
            return Err(damaged());
        }
        if lock.cost.params().is_none() {
            return Err(format_error(path, COSTLY));
        }
        Ok(Self {
            lock,
            nonce,
            header: *header,
            body: body.to_vec(),
        })
    }

    /// The content, if `key` is right and nothing was changed.
    pub(super) fn unseal(self, key: &Key, path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let mut content = Zeroizing::new(self.body);
        XChaCha20Poly1305::new((&**key).into())
            .decrypt_in_place(&XNonce::from(self.nonce), &self.header, &mut *content)
            .map_err(|_| SecretError::Damaged {
                path: path.to_owned(),
            })?;
        Ok(content)
    }
}

/// The bytes of a file that holds `content`, with a new nonce (24 random bytes: never the same
/// twice in practice). `content` has room for the tag, so that no copy of it is left behind.
pub(super) fn seal(
    lock: &Lock,
    key: &Key,
    mut content: Zeroizing<Vec<u8>>,
) -> Result<Vec<u8>, SecretError> {
    let mut nonce = [0; 24];
    fill_random(&mut nonce)?;
    let mut file = Vec::with_capacity(HEADER_LEN + content.len() + TAG_LEN);
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(&[0; 2]);
    for number in [lock.cost.memory_kib, lock.cost.passes, lock.cost.lanes] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    file.extend_from_slice(&lock.salt);
    file.extend_from_slice(&lock.verifier);
    file.extend_from_slice(&nonce);
    let failed = || SecretError::System("the cipher");
    let sum = checksum(&file).ok_or_else(failed)?;
    file.extend_from_slice(&sum);
    XChaCha20Poly1305::new((&**key).into())
        .encrypt_in_place(&XNonce::from(nonce), &file, &mut *content)
        .map_err(|_| failed())?;
    file.extend_from_slice(&content);
    Ok(file)
}

fn checksum(header: &[u8]) -> Option<[u8; CHECKSUM_LEN]> {
    let digest = Sha256::digest(header.get(..CHECKED_LEN)?);
    digest.first_chunk().copied()
}

pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

fn fill_random(bytes: &mut [u8]) -> Result<(), SecretError> {
    getrandom::fill(bytes).map_err(|_| SecretError::System("random numbers"))
}

fn format_error(path: &Path, problem: &'static str) -> SecretError {
    SecretError::Format {
        path: path.to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header as a hostile or careless writer could make it: the checksum is right.
    fn file_asking_for(memory_kib: u32, passes: u32, lanes: u32) -> Vec<u8> {
        let cost = Cost {
            memory_kib,
            passes,
            lanes,
        };
        let lock = Lock {
            cost,
            salt: [1; 16],
            verifier: [2; VERIFIER_LEN],
        };
        let content = Zeroizing::new(Vec::with_capacity(TAG_LEN));
        seal(&lock, &Zeroizing::new([3; KEY_LEN]), content).unwrap()
    }

    #[test]
    fn a_hostile_cost_is_refused_before_any_memory_is_taken() {
        let path = Path::new("keys");
        let standard = Cost::STANDARD;
        assert!(
            Sealed::parse(
                &file_asking_for(standard.memory_kib, standard.passes, standard.lanes),
                path
            )
            .is_ok()
        );
        for (memory, passes, lanes) in [
            (u32::MAX, 1, 1),
            (256 * 1024 + 1, 1, 1),
            (64 * 1024, 25, 4),
            (8, u32::MAX, 1),
            (u32::MAX, u32::MAX, u32::MAX),
            (1024, 1, 17),
            (1024, 1, u32::MAX),
            (0, 0, 0),
            (7, 1, 1),
            (8, 0, 1),
            (8, 1, 0),
            (8, 1, 2),
        ] {
            let result = Sealed::parse(&file_asking_for(memory, passes, lanes), path);
            assert!(
                matches!(result, Err(SecretError::Format { .. })),
                "{memory} {passes} {lanes}"
            );
        }
    }

    #[test]
    fn the_derivation_is_argon2id_as_published() {
        // Computed with the reference implementation (`argon2` 20171227, Debian):
        // printf 'correct horse' | argon2 saltsaltsaltsalt -id -t 3 -m 16 -p 4 -l 48 -r
        let params = Cost::STANDARD.params().unwrap();
        let passphrase = Passphrase::new("correct horse".to_owned()).unwrap();
        let (key, verifier) = derive(&passphrase, params, b"saltsaltsaltsalt").unwrap();
        let hex: String = key
            .iter()
            .chain(&verifier)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            "d3883481194a0f9ae3fb6e3ece12437d24a42f5064fa55a6505d5ee0c3a73479\
             1896127213938fcd6aafb3406f27e2aa"
        );
    }
}
