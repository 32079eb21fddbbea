/** Messages through shared memory: docs/channels.md. */
export {
  anyBytes,
  type Field,
  type MessageFormat,
  type MessageOf,
  messageFormat,
} from "./message.ts";
export { ChannelReceiver, type Received } from "./receiver.ts";
export { type ChannelDescription, ChannelSender, createChannels } from "./sender.ts";
