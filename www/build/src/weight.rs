//! Where the bytes of a WebAssembly module went, by crate: read from its code and name sections
//! ([WebAssembly §5.5](https://webassembly.github.io/spec/core/binary/modules.html)).

use std::collections::BTreeMap;

/// Bytes of code by crate, the heaviest first; functions without a name count as `?`, what is no code as `(data)`.
pub fn by_crate(module: &[u8]) -> Vec<(String, usize)> {
    let mut weights = BTreeMap::<String, usize>::new();
    for (name, size) in functions(module).unwrap_or_default() {
        *weights.entry(crate_of(&name)).or_default() += size;
    }
    let code: usize = weights.values().sum();
    weights.insert("(data)".into(), module.len().saturating_sub(code));
    let mut weights: Vec<_> = weights.into_iter().collect();
    weights.sort_by_key(|(_, size)| usize::MAX - size);
    weights
}

/// The name of each function that the module defines, and its size.
pub fn functions(module: &[u8]) -> Option<Vec<(String, usize)>> {
    let mut reader = Reader(module.get(8..)?);
    let (mut imported, mut sizes, mut names) = (0, Vec::new(), BTreeMap::new());
    while let Some(id) = reader.byte() {
        let length = reader.number()?;
        let mut section = Reader(reader.take(length)?);
        match id {
            0 if section.text()? == "name" => names = section.function_names()?,
            2 => imported = section.imported_functions()?,
            10 => sizes = section.bodies()?,
            _ => {}
        }
    }
    let with_name = |(index, size)| {
        let name = names.get(&(imported + index)).cloned();
        (name.unwrap_or_default(), size)
    };
    Some(sizes.into_iter().enumerate().map(with_name).collect())
}

fn crate_of(name: &str) -> String {
    let start = name.trim_start_matches(['<', '&', '(', '*']);
    let start = start.strip_prefix("dyn ").unwrap_or(start);
    match start.split_once("::") {
        Some((first, _)) => first.split(['<', '[']).next().unwrap_or(first).to_owned(),
        None => "?".into(),
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// LEB128.
    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 127) << shift;
            if byte < 128 {
                return Some(number);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// The bindings import nothing but functions.
    fn imported_functions(&mut self) -> Option<usize> {
        self.number()
    }

    fn bodies(&mut self) -> Option<Vec<usize>> {
        (0..self.number()?)
            .map(|_| {
                let size = self.number()?;
                self.take(size).map(<[u8]>::len)
            })
            .collect()
    }

    fn function_names(&mut self) -> Option<BTreeMap<usize, String>> {
        while let Some(kind) = self.byte() {
            let length = self.number()?;
            let mut names = Reader(self.take(length)?);
            if kind == 1 {
                return (0..names.number()?)
                    .map(|_| Some((names.number()?, names.text()?.to_owned())))
                    .collect();
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_weighs_its_body_and_counts_for_its_crate() {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend([2, 7, 1, 1, b'a', 1, b'b', 0, 0]); // one imported function
        module.extend([10, 7, 2, 2, 0, 11, 2, 0, 11]); // two bodies of two bytes each
        let names = [(1, "<alpha::A as beta::B>::go"), (2, "alpha::run")];
        let mut section = vec![4, b'n', b'a', b'm', b'e', 1];
        let mut map = vec![2];
        for (index, name) in names {
            map.extend([index, u8::try_from(name.len()).unwrap()]);
            map.extend(name.bytes());
        }
        section.push(u8::try_from(map.len()).unwrap());
        section.extend(map);
        module.extend([0, u8::try_from(section.len()).unwrap()]);
        module.extend(section);
        let weights = by_crate(&module);
        assert!(weights.contains(&("alpha".into(), 4)), "{weights:?}");
        assert_eq!(weights[0].0, "(data)");
    }
}
