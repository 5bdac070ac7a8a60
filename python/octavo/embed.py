"""Where the files for C and C++ programs are: the same library without Python."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _existing(path: Path) -> str:
    if not path.is_dir():
        raise FileNotFoundError(
            f"{path}: got no such folder, expected the files that a wheel of octavo carries for C "
            "and C++; octavo was built without them (OCTAVO_INSTALL=OFF or an editable install)"
        )
    return str(path)


def get_include() -> str:
    """Folder for a compiler's ``-I``: it holds ``octavo/octavo.h``.

    Returns
    -------
    str
        Absolute path.

    Raises
    ------
    FileNotFoundError
        Where octavo was installed without it.

    Examples
    --------
    >>> import octavo
    >>> from pathlib import Path
    >>> Path(octavo.get_include(), "octavo", "octavo.h").is_file()
    True
    """
    return _existing(_PACKAGE / "include")


def get_cmake_dir() -> str:
    """Folder for CMake's ``-Doctavo_DIR=``: ``find_package(octavo)`` finds its package there.

    The targets are ``octavo::octavo``, the shared library, and where octavo was compiled on this
    machine ``octavo::static``.

    Returns
    -------
    str
        Absolute path.

    Raises
    ------
    FileNotFoundError
        Where octavo was installed without it.

    Examples
    --------
    >>> import octavo
    >>> from pathlib import Path
    >>> Path(octavo.get_cmake_dir(), "octavo-config.cmake").is_file()
    True
    """
    return _existing(_PACKAGE / "lib" / "cmake" / "octavo")
