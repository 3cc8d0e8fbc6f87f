@echo off
title Sluice
"%~dp0sluice.exe" %*
if errorlevel 1 pause
