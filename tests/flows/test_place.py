"""Where a command works: the library, the device and the variables of the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flows.place import DEFAULT_LIBRARY, SettingsError, device_name, library_folder, read_environment, share_cores
from generation.errors import ConfigError
from generation.hub_lock import LOCK_VARIABLE
from generation.registry import load_model


def test_the_library_is_that_of_the_option_then_the_environment_then_the_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("NIGHTCRATE_LIBRARY", raising=False)
    assert library_folder(None) == DEFAULT_LIBRARY
    monkeypatch.setenv("NIGHTCRATE_LIBRARY", str(tmp_path))
    assert library_folder(None) == tmp_path
    assert library_folder(Path("other")) == Path("other")


def test_an_unknown_variable_is_refused_with_the_nearest_name():
    with pytest.raises(SettingsError, match="NIGHTCRATE_LIBARY; did you mean NIGHTCRATE_LIBRARY"):
        read_environment({"NIGHTCRATE_LIBARY": "x"})
    with pytest.raises(SettingsError, match="NIGHTCRATE_QQ"):
        read_environment({"NIGHTCRATE_QQ": "x"})
    assert read_environment({"HOME": "/", "NIGHTCRATE_ONESHOTS": "/x", LOCK_VARIABLE: "/y"}).library is None


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "mps"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(SettingsError, match=name.split(":")[0]):
        device_name(name)


@pytest.mark.parametrize("name", ["abacus", "meta"])
def test_the_command_line_says_that_it_takes_auto_and_loading_does_not(name):
    with pytest.raises(SettingsError, match="; use auto, cpu, cuda or cuda:N$"):
        device_name(name)
    with pytest.raises(ConfigError, match="; use cpu, cuda or cuda:N$"):
        load_model("chopan-starter", name)


def test_the_device_comes_from_the_option_or_the_environment(monkeypatch):
    monkeypatch.setenv("NIGHTCRATE_DEVICE", "cpu")
    assert device_name(None) == "cpu"
    monkeypatch.setenv("NIGHTCRATE_DEVICE", "abacus")
    with pytest.raises(SettingsError, match="abacus"):
        device_name(None)


def test_waiting_threads_go_to_sleep_unless_the_user_said_otherwise(monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    share_cores()
    assert os.environ["GOMP_SPINCOUNT"] == "1000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    share_cores()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
