/**
 * The way out to other people's MX hosts.
 *
 * AWS lifts its block of port 25 for a Lambda function only inside a VPC, behind a NAT gateway whose addresses were
 * named in the request. So both addresses are fixed: one zonal NAT gateway in each of two zones, never one that takes
 * addresses by itself, which would have no PTR record, no place in SPF and no reputation. IPv4 only: behind an
 * egress-only gateway an IPv6 source address is not ours to name in a PTR record, without which large receivers refuse
 * mail.
 */
import { RemovalPolicy } from 'aws-cdk-lib';
import {
  FlowLogDestination,
  FlowLogTrafficType,
  GatewayVpcEndpointAwsService,
  type ISecurityGroup,
  type IVpc,
  NatProvider,
  Peer,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { NetworkSetting } from '../functions/environment.ts';

/** What the way out is made of. */
export interface NatEgressProps {
  /** Allocation ids of two Elastic IPs, one a zone. */
  readonly elasticIpAllocationIds: readonly string[];
  /** Whose ports and resolvers the functions may reach. */
  readonly network: NetworkSetting;
}

/** A VPC in the stack's two zones. What is inside can reach mail, HTTPS and configured DNS servers outside, and nothing reaches in. */
export class NatEgress extends Construct {
  readonly vpc: IVpc;
  readonly securityGroup: ISecurityGroup;

  constructor(scope: Construct, id: string, props: NatEgressProps) {
    super(scope, id);
    // The cast: exactOptionalPropertyTypes does not see that the class has all that its own interface asks for.
    this.vpc = new Vpc(this, 'Vpc', {
      maxAzs: 2,
      natGateways: 2,
      natGatewayProvider: NatProvider.gateway({
        eipAllocationIds: [...props.elasticIpAllocationIds],
      }),
      subnetConfiguration: [
        { name: 'Nat', subnetType: SubnetType.PUBLIC, cidrMask: 28, mapPublicIpOnLaunch: false },
        { name: 'Functions', subnetType: SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 24 },
      ],
      // Free, and bodies of messages then do not pay for the NAT gateways.
      gatewayEndpoints: {
        S3: { service: GatewayVpcEndpointAwsService.S3 },
        DynamoDB: { service: GatewayVpcEndpointAwsService.DYNAMODB },
      },
      // Nothing is ever put into the default group; closing it would take a function that runs at each deployment.
      restrictDefaultSecurityGroup: false,
    }) as IVpc;
    this.logRejectedTraffic();
    this.securityGroup = this.createSecurityGroup(props.network);
  }

  /** Rejected traffic tells of a rule that is missing or an attempt to get in; accepted traffic is in the why records. */
  private logRejectedTraffic(): void {
    const logGroup = new LogGroup(this, 'FlowLogs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.vpc.addFlowLog('Rejected', {
      destination: FlowLogDestination.toCloudWatchLogs(logGroup),
      trafficType: FlowLogTrafficType.REJECT,
    });
  }

  private createSecurityGroup(network: NetworkSetting): SecurityGroup {
    const group = new SecurityGroup(this, 'SecurityGroup', {
      vpc: this.vpc,
      description: 'Sealpost functions: mail, HTTPS and DNS out, nothing in',
      allowAllOutbound: false,
    });
    const ports = new Set([network.smtpPort ?? 25, network.httpsPort ?? 443, 443]);
    for (const port of ports) {
      group.addEgressRule(Peer.anyIpv4(), Port.tcp(port), `TCP ${port}`);
    }
    // The VPC's own resolver, which finds the endpoints of AWS, needs no rule: security groups do not govern it.
    for (const { address, port, protocols } of (network.resolvers ?? []).flatMap(placesOf)) {
      // Where TCP goes out to everybody, one peer needs no rule of its own.
      for (const protocol of protocols.filter((one) => one === 'udp' || !ports.has(port))) {
        const peer = Peer.ipv4(`${address}/32`);
        group.addEgressRule(peer, Port[protocol](port), `DNS at ${address}:${port}`);
      }
    }
    return group;
  }
}

/** Where a resolver of the network setting is reached: `address:port`, or `https://name:port/path@address,address`. */
interface ResolverPlace {
  readonly address: string;
  readonly port: number;
  readonly protocols: readonly ('udp' | 'tcp')[];
}

function placesOf(resolver: string): readonly ResolverPlace[] {
  if (!resolver.startsWith('https:')) {
    const [address = '', port] = resolver.split(':');
    return [{ address, port: Number(port), protocols: ['udp', 'tcp'] }];
  }
  const at = resolver.lastIndexOf('@');
  const { port } = new URL(resolver.slice(0, at));
  const addresses = resolver.slice(at + 1).split(',');
  // URL leaves out the port that is usual.
  return addresses.map((address) => ({ address, port: Number(port || 443), protocols: ['tcp'] }));
}
