//! Opening a GGUF file: header, metadata with types checked, and tensors read on demand.
//!
//! The parser is candle's. It is run under `catch_unwind`, because candle 0.11.1 divides by
//! `general.alignment` and multiplies dimensions without a check, so a damaged file can panic it.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use candle_core::{
    CpuStorage, Device,
    quantized::{
        GgmlDType, QStorage, QuantizedType,
        gguf_file::{Content, TensorInfo, Value},
    },
};

use crate::error::{ModelError, panic_text};

/// A GGUF file whose header was read. The file stays open, so that replacing it on disk does not
/// mix two models.
pub(crate) struct Gguf {
    path: PathBuf,
    file: File,
    len: u64,
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, TensorInfo>,
    data_offset: u64,
}

impl Gguf {
    /// Reads the header of `path`.
    ///
    /// # Errors
    /// [`ModelError::Unreadable`] or [`ModelError::Corrupt`].
    pub(crate) fn open(path: &Path) -> Result<Self, ModelError> {
        let unreadable = |source| ModelError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let corrupt = |what: String| ModelError::Corrupt {
            path: path.to_owned(),
            what,
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let meta = file.metadata().map_err(unreadable)?;
        if !meta.is_file() {
            return Err(corrupt("it is not a regular file".to_owned()));
        }
        let mut magic = [0_u8; 4];
        file.read_exact(&mut magic)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .map_err(|_| corrupt("it is shorter than a GGUF header".to_owned()))?;
        if &magic != b"GGUF" {
            return Err(corrupt(
                "it does not begin with the letters GGUF".to_owned(),
            ));
        }
        let parsed = catch_unwind(AssertUnwindSafe(|| {
            Content::read(&mut BufReader::with_capacity(1 << 20, &mut file))
        }));
        let content = match parsed {
            Ok(Ok(content)) => content,
            Ok(Err(error)) => return Err(corrupt(format!("its header is damaged ({error})"))),
            Err(panic) => {
                let text = panic_text(panic.as_ref());
                return Err(corrupt(format!("its header is damaged ({text})")));
            }
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            len: meta.len(),
            metadata: content.metadata,
            tensors: content.tensor_infos,
            data_offset: content.tensor_data_offset,
        })
    }

    /// A [`ModelError::Corrupt`] about this file.
    pub(crate) fn corrupt(&self, what: impl Into<String>) -> ModelError {
        ModelError::Corrupt {
            path: self.path.clone(),
            what: what.into(),
        }
    }

    /// A text value, or `None` where the key is absent or no text.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// A whole number of any width, or `None` where the key is absent, negative or no number.
    pub(crate) fn number(&self, key: &str) -> Option<usize> {
        let value: i128 = match self.metadata.get(key)? {
            Value::U8(n) => i128::from(*n),
            Value::I8(n) => i128::from(*n),
            Value::U16(n) => i128::from(*n),
            Value::I16(n) => i128::from(*n),
            Value::U32(n) => i128::from(*n),
            Value::I32(n) => i128::from(*n),
            Value::U64(n) => i128::from(*n),
            Value::I64(n) => i128::from(*n),
            _ => return None,
        };
        usize::try_from(value).ok()
    }

    /// A whole number that the format requires.
    pub(crate) fn need_number(&self, key: &str) -> Result<usize, ModelError> {
        self.number(key)
            .ok_or_else(|| self.corrupt(format!("it has no number under `{key}`")))
    }

    /// A real number, or `None`.
    pub(crate) fn real(&self, key: &str) -> Option<f32> {
        match self.metadata.get(key) {
            Some(Value::F32(value)) => Some(*value),
            Some(Value::F64(value)) => Some(*value as f32),
            _ => None,
        }
    }

    /// A truth value, or `None`.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.metadata.get(key) {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// Takes a list of texts out of the metadata, so that a vocabulary is in memory only once.
    pub(crate) fn take_texts(&mut self, key: &str) -> Result<Vec<String>, ModelError> {
        let Some(Value::Array(values)) = self.metadata.remove(key) else {
            return Err(self.corrupt(format!("it has no list under `{key}`")));
        };
        values
            .into_iter()
            .map(|value| match value {
                Value::String(text) => Ok(text),
                _ => Err(self.corrupt(format!("`{key}` holds something other than text"))),
            })
            .collect()
    }

    /// Takes a list of small whole numbers out of the metadata.
    pub(crate) fn take_numbers(&mut self, key: &str) -> Option<Vec<i64>> {
        match self.metadata.remove(key) {
            Some(Value::Array(values)) => values
                .iter()
                .map(|value| match value {
                    Value::I32(n) => Some(i64::from(*n)),
                    Value::U32(n) => Some(i64::from(*n)),
                    other => other.to_i64().ok(),
                })
                .collect(),
            _ => None,
        }
    }

    /// Frees the metadata once everything was read from it.
    pub(crate) fn forget_metadata(&mut self) {
        self.metadata = HashMap::new();
    }

    /// Whether a tensor of this name exists.
    pub(crate) fn has_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Reads a tensor, which must have exactly the dimensions `dims` (outermost first).
    pub(crate) fn tensor(
        &self,
        name: &str,
        dims: &[usize],
    ) -> Result<Box<dyn QuantizedType>, ModelError> {
        let (dtype, bytes) = self.tensor_bytes(name, dims)?;
        match QStorage::from_data(bytes.into(), &Device::Cpu, dtype)? {
            QStorage::Cpu(storage) => Ok(storage),
            QStorage::Metal(_) | QStorage::Cuda(_) => Err(ModelError::Compute {
                what: format!("tensor `{name}` was not placed in main memory"),
            }),
        }
    }

    /// Reads a small tensor as plain numbers.
    pub(crate) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        match self.tensor(name, &[len])?.dequantize(len)? {
            CpuStorage::F32(values) => Ok(values),
            _ => Err(ModelError::Compute {
                what: format!("tensor `{name}` did not become numbers"),
            }),
        }
    }

    /// As [`Gguf::vector`], `None` where the model has no such tensor.
    pub(crate) fn vector_if_any(
        &self,
        name: &str,
        len: usize,
    ) -> Result<Option<Vec<f32>>, ModelError> {
        self.has_tensor(name)
            .then(|| self.vector(name, len))
            .transpose()
    }

    /// Checks that a tensor exists, has these dimensions and lies inside the file.
    pub(crate) fn check_tensor(
        &self,
        name: &str,
        dims: &[usize],
    ) -> Result<(GgmlDType, u64, usize), ModelError> {
        let info = self
            .tensors
            .get(name)
            .ok_or_else(|| self.corrupt(format!("the tensor `{name}` is missing")))?;
        if info.shape.dims() != dims {
            let found = info.shape.dims();
            return Err(self.corrupt(format!(
                "the tensor `{name}` has the shape {found:?} instead of {dims:?}"
            )));
        }
        let block = info.ggml_dtype.block_size();
        let row = dims.last().copied().unwrap_or(0);
        if row == 0 || !row.is_multiple_of(block) {
            return Err(self.corrupt(format!(
                "the rows of tensor `{name}` are no multiple of its block of {block}"
            )));
        }
        let size = dims
            .iter()
            .try_fold(1_usize, |product, dim| product.checked_mul(*dim))
            .and_then(|elements| (elements / block).checked_mul(info.ggml_dtype.type_size()));
        let start = self.data_offset.checked_add(info.offset);
        let (Some(size), Some(start)) = (size, start) else {
            return Err(self.corrupt(format!("the tensor `{name}` has an impossible size")));
        };
        if start
            .checked_add(size as u64)
            .is_none_or(|end| end > self.len)
        {
            return Err(self.corrupt(format!("the file ends inside the tensor `{name}`")));
        }
        Ok((info.ggml_dtype, start, size))
    }

    fn tensor_bytes(&self, name: &str, dims: &[usize]) -> Result<(GgmlDType, Vec<u8>), ModelError> {
        let (dtype, start, size) = self.check_tensor(name, dims)?;
        let mut bytes = vec![0_u8; size];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|source| ModelError::Unreadable {
                path: self.path.clone(),
                source,
            })?;
        Ok((dtype, bytes))
    }
}
