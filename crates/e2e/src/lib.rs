//! An installation of the built `sekimori`, driven as people drive it.
