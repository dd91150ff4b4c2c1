/**
 * The program that started this process as the trainer of its peer: lines go both ways over a socket that it left open
 * here. Each end states every second that it lives, so that a program that is stopped or frozen is found while nothing is
 * asked of it.
 */
import type { Socket } from "node:net";
import { InvalidExperiment, TrainerFailed } from "../foundation/errors.js";
import { type Link, readLines } from "./process-link.js";

/** How `trainer.command` names the socket: its file descriptor. The first three are a process's own. */
export const PARENT_PATTERN = /^fd:([3-9]|[1-9]\d{1,8})$/;

/** Between signs of life. */
const BEAT_MS = 1000;
/** A sign of life, in both directions. It is no request, and has no reply. */
const BEAT = JSON.stringify({ beat: true });

const taken = new Set<number>();

/**
 * @param where as {@link PARENT_PATTERN}
 * @param silence most seconds between two of its lines
 * @throws InvalidExperiment the file descriptor is no socket, or belongs to another peer of this process
 */
export async function connectParent(where: string, peer: number, silence: number): Promise<Link> {
  const fd = Number(PARENT_PATTERN.exec(where)![1]);
  if (taken.has(fd)) {
    throw new InvalidExperiment(
      `trainer.command is ${where} for several peers of one process: start each of them with a program of its own`,
      { code: "trainer-parent-taken", peer, field: "trainer.command" },
    );
  }
  const socket = await openSocket(fd, where, peer);
  taken.add(fd);
  socket.unref();
  const name = `the program that started peer ${peer}`;
  const beats = setInterval(() => socket.write(`${BEAT}\n`), BEAT_MS).unref();
  let watch: ReturnType<typeof setTimeout> | undefined;
  const stop = () => {
    clearInterval(beats);
    clearTimeout(watch);
  };
  return {
    name,
    write: (line) => socket.write(`${line}\n`),
    end() {
      stop();
      socket.end();
    },
    kill() {
      stop();
      socket.destroy();
    },
    lastWords: () => "",
    listen(events) {
      watch = setTimeout(() => {
        events.failed(
          new TrainerFailed(
            `${name} gave no sign of life for ${silence} s: see what stopped it, or raise trainer.deadlines.silence`,
            { code: "trainer-silent", peer },
          ),
        );
      }, 1000 * silence).unref();
      readLines(socket, {
        ...events,
        line(text) {
          watch!.refresh();
          if (text !== BEAT) events.line(text);
        },
      });
      socket.once("close", () => {
        stop();
        events.ended("closed the connection", "see why it ended");
      });
      // It is closed then, which is reported.
      socket.on("error", () => {});
    },
  };
}

async function openSocket(fd: number, where: string, peer: number): Promise<Socket> {
  const { Socket } = await import("node:net");
  try {
    return new Socket({ fd, readable: true, writable: true });
  } catch (cause) {
    throw new InvalidExperiment(
      `trainer.command is ${where}, and this process was started without a socket there: name a program and its arguments`,
      { code: "trainer-no-parent", peer, field: "trainer.command", cause },
    );
  }
}
