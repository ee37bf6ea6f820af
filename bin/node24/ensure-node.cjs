/**
 * Gives a machine whose Node is too old a Node 24 of the project's own, from npm.
 *
 * Runs as the root package's postinstall, on the old Node, hence CommonJS and old syntax only. npm puts
 * `node_modules/.bin` first on the PATH of its scripts, so a `node` there is the one every script runs on.
 */
'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const [major, minor] = process.versions.node.split('.').map(Number);
const isNewEnough = major > 22 || (major === 22 && minor >= 19);

if (!isNewEnough) {
  const root = path.join(__dirname, '..', '..');
  const platform = `node-${process.platform}-${process.arch}`;
  const binary = path.join(__dirname, 'node_modules', platform, 'bin', 'node');
  if (!fs.existsSync(binary)) {
    // npm's own variables would make the inner npm work on the outer package.
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)),
    );
    execFileSync(process.execPath, [process.env.npm_execpath, 'ci', '--ignore-scripts'], {
      cwd: __dirname,
      stdio: 'inherit',
      env,
    });
  }
  if (!fs.existsSync(binary)) {
    console.error(`sealpost: no Node 24 for ${platform} on npm; install Node 22.19 or newer.`);
    process.exit(1);
  }
  const link = path.join(root, 'node_modules', '.bin', 'node');
  fs.mkdirSync(path.dirname(link), { recursive: true });
  fs.rmSync(link, { force: true });
  fs.symlinkSync(binary, link);
}
